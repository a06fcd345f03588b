import { globSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, describe, expect, it } from 'vitest'
import { ensureOpenDomain, type LocalServer, startLocalServer } from '../../scripts/local-server.ts'
import { findFreePort } from '../../scripts/ports.ts'
import { noise, sha256 } from '../support/e2e/bodies.ts'
import { expectStatus } from '../support/e2e/domains.ts'
import { eventually } from '../support/e2e/eventually.ts'
import { call } from '../support/e2e/http.ts'
import { curl } from '../support/e2e/programs.ts'
import { R2State } from '../support/e2e/r2-state.ts'
import { RawConnection } from '../support/e2e/raw-connection.ts'

const sample = join(import.meta.dirname, '../../samples/harbour.png')
const mebibyte = 1024 * 1024
const slug = 'demo'
const host = `${slug}.localhost`

let stateFolder: string
let server: LocalServer | undefined

afterAll(async () => {
  await server?.stop()
  if (stateFolder) await rm(stateFolder, { recursive: true, force: true })
})

/** Starts the server as `npm run dev` does, on the same state each time. */
async function start(): Promise<number> {
  const port = await findFreePort()
  server = await startLocalServer({ port, stateFolder, readDevVars: false, signal: new AbortController().signal })
  return port
}

async function stop() {
  await server?.stop()
  server = undefined
}

/** Looks into the database, or writes what only time would, while no server runs on it. */
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

const runSchedule = (port: number) => call(port, 'GET', '/cdn-cgi/handler/scheduled')

async function statusOf(port: number, id: string): Promise<string> {
  return (await call(port, 'GET', `/v1/uploads/${id}/status`, { host })).json().status
}

describe('a server that is stopped and started again', { timeout: 300_000 }, () => {
  it('still has every upload, finishes what it had begun, and gives up what nobody sends on', async () => {
    stateFolder = await mkdtemp(join(tmpdir(), 'stevedore-restart-'))
    let port = await start()
    await ensureOpenDomain(server as LocalServer, slug, AbortSignal.timeout(30_000))

    const small = await curl('-F', `f=@${sample}`, `http://${host}:${port}/v1/uploads`)
    expectStatus(small, 202)
    const large = await call(port, 'PUT', '/v1/uploads/large.bin', { host, body: noise(11 * mebibyte) })
    expectStatus(large, 202)
    const complete = [small.json().results[0].upload.id, large.json().id]
    for (const id of complete) await eventually(async () => expect(await statusOf(port, id)).toBe('complete'))

    const cutOff = await RawConnection.open(port)
    await cutOff.sendHead('PUT', '/v1/uploads/cut-off.bin', { Host: host, 'Content-Length': 20 * mebibyte })
    await cutOff.send(noise(7 * mebibyte))
    const r2 = new R2State(stateFolder)
    await eventually(() => expect(r2.multiparts('').filter(({ state }) => state === 'open')).toHaveLength(1))
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        call(port, 'PUT', `/v1/uploads/last-${index}.txt`, { host, body: `The last words, number ${index}.` }),
      ),
    )
    // At once: some of these are still waiting for their job.
    await stop()
    cutOff.close()
    for (const answer of answers) expectStatus(answer, 202)

    const cutOffRows = inDatabase((database) => {
      // What the next minutes would bring: the publishes are due, the dead worker's leases have ended.
      database.exec(`UPDATE uploaded_files SET next_publish_at = 1 WHERE status = 'pending'`)
      database.exec(`UPDATE uploaded_files SET lease_expires_at = 1 WHERE status = 'processing'`)
      // And the next 12 hours, after which nobody may send the large one on.
      return database.prepare(`UPDATE uploaded_files SET created_at = 1 WHERE status = 'uploading'`).run().changes
    })

    expect(cutOffRows).toBe(1)

    port = await start()
    const content = await curl(`http://${host}:${port}/v1/uploads/${complete[0]}/content`)
    expect(content.body.equals(await readFile(sample))).toBe(true)
    const bytes = await call(port, 'GET', `/v1/uploads/${complete[1]}/content`, { host })
    expect(sha256(bytes.body)).toBe(sha256(noise(11 * mebibyte)))

    for (const answer of answers) {
      await eventually(async () => {
        expectStatus(await runSchedule(port), 200)
        expect(await statusOf(port, answer.json().id)).toBe('complete')
      }, 60_000)
    }
    expect(r2.multiparts('').filter(({ state }) => state === 'open')).toEqual([])
    await stop()

    const [account, rows] = inDatabase((database) => [
      database.prepare('SELECT stored_files, stored_bytes FROM domain_accounts').get(),
      database
        .prepare('SELECT status, count(*) AS count, sum(size) AS bytes FROM uploaded_files GROUP BY status')
        .all(),
    ])
    const [whole, gone] = rows as { status: string; count: number; bytes: number }[]
    expect(whole).toMatchObject({ status: 'complete', count: 14 })
    expect(gone).toMatchObject({ status: 'deleted', count: 1 })
    expect(account).toEqual({ stored_files: 14, stored_bytes: whole?.bytes })
  })
})
