import { globSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { type IncomingHttpHeaders, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, expect, it } from 'vitest'
import { ensureOpenDomain, type LocalServer, startLocalServer } from '../../scripts/local-server.ts'
import { findFreePort } from '../../scripts/ports.ts'
import { noise, randomFrom, sha256 } from '../support/e2e/bodies.ts'
import { eventually } from '../support/e2e/eventually.ts'
import { call } from '../support/e2e/http.ts'
import { R2State } from '../support/e2e/r2-state.ts'

const isFull = process.env.STEVEDORE_TEST_FULL === '1'
const uploads = isFull ? 500 : 10
const kills = isFull ? 30 : 1
const clients = isFull ? 8 : 4
const largest = (isFull ? 64 : 14) * 1024 * 1024
const seed = Number(process.env.STEVEDORE_TEST_SEED || Date.now() % 100_000)
const random = randomFrom(seed)
const below = (limit: number) => Math.floor(random() * limit)
const host = 'demo.localhost'
const tus = { host, 'tus-resumable': '1.0.0' }

let stateFolder: string
let server: LocalServer | undefined
let port = 0

afterAll(async () => {
  await server?.stop()
  if (stateFolder) await rm(stateFolder, { recursive: true, force: true })
})

it(`brings ${uploads} uploads through cuts, races and ${kills} kills (seed ${seed})`, {
  timeout: 120_000 + uploads * 5_000 + kills * 30_000,
}, async () => {
  stateFolder = await mkdtemp(join(tmpdir(), 'stevedore-torture-'))
  await start()
  await ensureOpenDomain(server as LocalServer, 'demo', AbortSignal.timeout(30_000))

  const finished = new Map<string, string>()
  const torture = new AbortController()
  const killing = killNowAndThen(torture.signal)
  let begun = 0
  const client = async () => {
    while (begun++ < uploads) {
      const bytes = noise(random() < 0.15 ? below(largest) : below(300_000), begun)
      finished.set(await bring(bytes), sha256(bytes))
    }
  }
  try {
    await Promise.all(Array.from({ length: clients }, client))
  } finally {
    torture.abort()
    await killing
  }

  await eventually(async () => {
    // What only time brings: publishes that are due, and the ends of dead workers' leases.
    await runSchedule()
    for (const [id, digest] of finished) {
      const answer = await call(port, 'GET', `/v1/uploads/${id}`, { host })
      expect(answer.json()).toMatchObject({ status: 'complete', sha256: digest })
    }
  }, 180_000)
  await server?.stop()

  // Creations whose answer was lost in a kill: nobody goes on with them, and a day later they are gone.
  for (const hours of [30, 32]) {
    await start({ CLOCK_OFFSET_SECONDS: String(hours * 3600) })
    for (let sweep = 0; sweep < 20; sweep++) await runSchedule()
    await server?.stop()
  }
  server = undefined
  const [account, rows] = inDatabase((database) => [
    database.prepare('SELECT stored_files, stored_bytes FROM domain_accounts').get(),
    database.prepare('SELECT id, size, status FROM uploaded_files').all() as {
      id: string
      size: number
      status: string
    }[],
  ])
  expect(rows.map(({ id }) => id).sort()).toEqual([...finished.keys()].sort())
  expect(rows.every(({ status }) => status === 'complete')).toBe(true)
  expect(account).toEqual({ stored_files: rows.length, stored_bytes: rows.reduce((sum, { size }) => sum + size, 0) })
  const open = new R2State(stateFolder).multiparts('').filter(({ state, parts }) => state === 'open' && parts > 0)
  expect(open).toEqual([])
})

/** Brings one file, whatever happens to its connections and its server. Gives back its id. */
async function bring(bytes: Buffer): Promise<string> {
  let path: string | null = null
  // What was said to be kept, and how far was ever sent: an offset lies between the two, always.
  let [kept, sent] = [0, 0]
  for (;;) {
    if (path === null) {
      const created = await send('POST', '/v1/tus', { 'upload-length': String(bytes.length) })
      if (created?.status === 201) path = new URL(String(created.headers.location)).pathname
      else expectPassing(created?.status)
      continue
    }
    const told = await send('HEAD', path, {})
    if (told?.status !== 200) {
      expectPassing(told?.status)
      continue
    }
    const offset = Number(told.headers['upload-offset'])
    expect(offset).toBeGreaterThanOrEqual(kept)
    expect(offset).toBeLessThanOrEqual(sent)
    kept = offset
    if (offset === bytes.length) return path.split('/').at(-1) as string
    const piece = bytes.subarray(offset, offset + 1 + below(random() < 0.5 ? 20_000 : bytes.length))
    sent = Math.max(sent, offset + piece.length)
    const appends = Array.from({ length: random() < 0.2 ? 2 : 1 }, () =>
      send('PATCH', path as string, appendHeaders(offset), piece, random() < 0.4 ? below(piece.length) : undefined),
    )
    for (const answer of await Promise.all(appends)) {
      if (answer?.status === 204) kept = Math.max(kept, Number(answer.headers['upload-offset']))
      else expectPassing(answer?.status)
    }
  }
}

const appendHeaders = (offset: number) => ({
  'upload-offset': String(offset),
  'content-type': 'application/offset+octet-stream',
})

/** No answer, a newer request that has come before, or a server that is about to go: all of it may be tried again. */
function expectPassing(status: number | undefined): void {
  expect([undefined, 400, 409, 500, 502, 503]).toContain(status)
}

/** One request; with `cutAfter` its connection is cut after so many bytes of the body. Null: there was no answer. */
function send(
  method: string,
  path: string,
  headers: Record<string, string>,
  body?: Buffer,
  cutAfter?: number,
): Promise<{ status: number; headers: IncomingHttpHeaders } | null> {
  return new Promise((resolve) => {
    const length = body ? { 'content-length': String(body.length) } : {}
    const message = request(
      { host: '127.0.0.1', port, method, path, agent: false, headers: { ...tus, ...length, ...headers } },
      (response) => {
        response.resume()
        response.once('error', () => resolve(null))
        response.once('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers }))
      },
    )
    message.once('error', () => setTimeout(resolve, 50, null))
    message.setTimeout(30_000, () => message.destroy())
    if (cutAfter === undefined || !body) message.end(body)
    else message.write(body.subarray(0, cutAfter + 1), () => setTimeout(() => message.destroy(), below(20)))
  })
}

async function killNowAndThen(signal: AbortSignal): Promise<void> {
  for (let killed = 0; killed < kills && !signal.aborted; killed++) {
    // The moment is what is tested.
    await sleep(500 + below(2500), undefined, { signal }).catch(() => {})
    if (signal.aborted) return
    await server?.kill()
    await start()
  }
}

async function start(vars: Record<string, string> = {}): Promise<void> {
  const next = await findFreePort()
  const options = { port: next, stateFolder, readDevVars: false, vars, signal: new AbortController().signal }
  server = await startLocalServer(options)
  port = next
}

const runSchedule = () => call(port, 'GET', '/cdn-cgi/handler/scheduled')

function inDatabase<T>(work: (database: DatabaseSync) => T): T {
  const files = globSync('**/miniflare-D1DatabaseObject/*.sqlite', { cwd: stateFolder })
  const [file] = files.filter((name) => !name.endsWith('metadata.sqlite'))
  const database = new DatabaseSync(join(stateFolder, file as string))
  try {
    return work(database)
  } finally {
    database.close()
  }
}
