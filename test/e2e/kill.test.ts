import { globSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
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

/** How often the server is killed; `npm run test:kill` says 100. */
const rounds = Number(process.env.KILL_ROUNDS || (process.env.STEVEDORE_TEST_FULL ? 100 : 2))
const seed = Number(process.env.KILL_SEED || Date.now() % 100_000)
const random = randomFrom(seed)
const clients = 4
const mebibyte = 1024 * 1024
const host = 'demo.localhost'
const hour = 3600

let stateFolder: string
let server: LocalServer | undefined

afterAll(async () => {
  await server?.stop()
  if (stateFolder) await rm(stateFolder, { recursive: true, force: true })
})

it(`keeps every acknowledged upload through ${rounds} kills (seed ${seed})`, {
  timeout: 60_000 + rounds * 30_000,
}, async () => {
  stateFolder = await mkdtemp(join(tmpdir(), 'stevedore-kill-'))
  const acknowledged = new Map<string, string>()
  for (let round = 0; round < rounds; round++) {
    const port = await start()
    const running = server as LocalServer
    if (round === 0) await ensureOpenDomain(running, 'demo', AbortSignal.timeout(30_000))
    const isOver = new AbortController()
    const load = Array.from({ length: clients }, () => uploadUntil(isOver.signal, port, acknowledged))
    // The moment is what is tested: any line of any upload, or of the jobs of the ones before.
    await sleep(200 + random() * 2000)
    isOver.abort()
    await running.kill()
    await Promise.all(load)
  }
  console.log(`${rounds} kills, ${acknowledged.size} uploads acknowledged`)

  let port = await start()
  await eventually(async () => {
    await runSchedule(port)
    const unfinished = rows(`status IN ('pending', 'processing')`)
    // What only time brings: publishes that are due, and the ends of dead workers' leases.
    inDatabase((database) => {
      database.exec(
        `UPDATE uploaded_files SET next_publish_at = 1 WHERE status = 'pending' AND next_publish_at IS NOT NULL`,
      )
      database.exec(`UPDATE uploaded_files SET lease_expires_at = 1 WHERE status = 'processing' AND attempts < 4`)
    })
    expect(unfinished).toEqual([])
  }, 120_000)
  for (const [id, digest] of acknowledged) {
    const status = (await call(port, 'GET', `/v1/uploads/${id}/status`, { host })).json()
    expect(status.status, JSON.stringify(status)).toBe('complete')
    expect(sha256((await call(port, 'GET', `/v1/uploads/${id}/content`, { host })).body)).toBe(digest)
  }
  await server?.stop()

  // A day and a half later the claims that nobody can commit any more are gone, and so are objects without a row; an
  // hour after that, whatever was written late.
  for (const hours of [30, 32]) {
    port = await start({ CLOCK_OFFSET_SECONDS: String(hours * hour) })
    for (let sweep = 0; sweep < 20; sweep++) await runSchedule(port)
    await server?.stop()
  }
  server = undefined
  const kept = rows(`status = 'complete'`)
  expect(rows(`status <> 'complete'`)).toEqual([])
  expect(objectKeys()).toEqual(kept.map(({ object_key }) => object_key).sort())
  expect(new R2State(stateFolder).multiparts('').filter(({ state, parts }) => state === 'open' && parts > 0)).toEqual(
    [],
  )
  const [usage] = inDatabase((database) =>
    database.prepare('SELECT stored_files, stored_bytes FROM domain_accounts').all(),
  )
  expect(usage).toEqual({
    stored_files: kept.length,
    stored_bytes: kept.reduce((sum, { size }) => sum + Number(size), 0),
  })
})

async function start(vars: Record<string, string> = {}): Promise<number> {
  const port = await findFreePort()
  server = await startLocalServer({ port, stateFolder, readDevVars: false, vars, signal: new AbortController().signal })
  return port
}

/** One client: uploads of all sizes, one after the other, each noted when it is acknowledged. */
async function uploadUntil(isOver: AbortSignal, port: number, acknowledged: Map<string, string>): Promise<void> {
  while (!isOver.aborted) {
    const size = random() < 0.2 ? Math.floor((5 + random() * 8) * mebibyte) : Math.floor(random() * 100_000)
    const body = noise(size, Math.floor(random() * 1e9))
    try {
      const answer = await call(port, 'PUT', '/v1/uploads/noise.bin', { host, body })
      if (answer.status === 202) acknowledged.set(answer.json().id, sha256(body))
    } catch {
      // The server was killed under it: nothing was promised.
    }
  }
}

const runSchedule = (port: number) => call(port, 'GET', '/cdn-cgi/handler/scheduled')

const rows = (condition: string) =>
  inDatabase((database) =>
    database.prepare(`SELECT id, object_key, size, status FROM uploaded_files WHERE ${condition}`).all(),
  )

function objectKeys(): string[] {
  return inFile('miniflare-R2BucketObject', (database) =>
    database.prepare('SELECT key FROM _mf_objects ORDER BY key').all(),
  ).map(({ key }) => String(key))
}

const inDatabase = <T>(work: (database: DatabaseSync) => T): T => inFile('miniflare-D1DatabaseObject', work)

function inFile<T>(kind: string, work: (database: DatabaseSync) => T): T {
  const files = globSync(`**/${kind}/*.sqlite`, { cwd: stateFolder })
  const [file] = files.filter((name) => !name.endsWith('metadata.sqlite'))
  const database = new DatabaseSync(join(stateFolder, file as string))
  try {
    return work(database)
  } finally {
    database.close()
  }
}
