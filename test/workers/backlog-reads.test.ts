import { env } from 'cloudflare:workers'
import { expect, test, vi } from 'vitest'
import { rowsPerSweep } from '../../src/services/reconcile/chore.ts'
import { reconcile } from '../../src/services/reconcile/reconcile.ts'
import { runJob } from '../../src/services/run-job.ts'
import { execute, expectStatus, makeDomain, putFile, type TestDomain } from '../support/workers/client.ts'
import { appWith, depsWith, HeldQueue, overriding } from '../support/workers/faults.ts'

vi.setConfig({ testTimeout: 60_000 })

/** The real D1, which notes how many rows each statement has read. */
function countingD1(reads: Map<string, number>): D1Database {
  const texts = new WeakMap<object, string>()
  const note = (sql: string, { meta }: D1Result) => reads.set(sql, (reads.get(sql) ?? 0) + (meta.rows_read ?? 0))
  const watched = (statement: D1PreparedStatement, sql: string): D1PreparedStatement => {
    const all = async () => {
      const result = await statement.all<Record<string, unknown>>()
      note(sql, result)
      return result
    }
    const counted = overriding(statement, {
      bind: (...values: unknown[]) => watched(statement.bind(...values), sql),
      run: all,
      all,
      // What gives arrays has no count: the same from what has one.
      raw: async () => (await all()).results.map((row) => Object.values(row)),
    } as unknown as Partial<D1PreparedStatement>)
    texts.set(counted, sql)
    return counted
  }
  return overriding(env.DB, {
    prepare: (sql: string) => watched(env.DB.prepare(sql), sql),
    batch: async (statements: D1PreparedStatement[]) => {
      const results = await env.DB.batch(statements)
      for (const [index, result] of results.entries()) note(texts.get(statements[index]!) ?? '', result)
      return results
    },
  } as unknown as Partial<D1Database>)
}

/** Gives a domain so many files that wait, in each way in which a file can, and as many that are done. */
async function addFiles(domain: TestDomain, count: number): Promise<void> {
  await execute(
    `INSERT INTO uploaded_files (id, domain_id, object_key, filename, type, size, sha256, status, metadata, protocol,
       last_event, publish_count, next_publish_at, postponed_at, created_at, updated_at)
     WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
     SELECT lower(hex(randomblob(16))), ?, 'key', 'name', 'text/plain', 1, '', iif(n % 4 = 0, 'complete', 'pending'), '{}',
       'raw', 1, 1, iif(n % 4 = 0, NULL, iif(n % 4 = 1, 9e15, n)), iif(n % 4 = 3, n, NULL), 1, 1 FROM numbers`,
    count,
    domain.id,
  )
}

/** What each statement of one job, and each of one sweep, reads while so many files wait in the job's own domain. */
async function readsWith(count: number) {
  const domain = await makeDomain()
  await addFiles(domain, count)
  const queue = new HeldQueue()
  expectStatus(await putFile(domain.origin, 'a', 'abc', { send: appWith({ deps: () => ({ queue }) }) }), 202)
  const reads = new Map<string, number>()
  const deps = depsWith({ env: { DB: countingD1(reads) }, deps: () => ({ queue, log: () => {} }) })
  expect(await runJob(deps, queue.take()[0])).toBe(true)
  const job = [...reads]
  reads.clear()
  for (const place of deps.places) await reconcile({ ...deps, ...place })
  return { job, sweep: [...reads] }
}

test('a job reads as many rows with thousands of files waiting as with a few, and a sweep only those that it takes on', async () => {
  const few = await readsWith(8)
  const many = await readsWith(8_000)
  expect(many.job.map(([, rows]) => rows)).toEqual(few.job.map(([, rows]) => rows))
  // A row that is taken on counts a few times: in the index it is found by, itself, and in each index it moves in.
  for (const [sql, rows] of many.sweep) expect(rows, sql).toBeLessThanOrEqual(6 * rowsPerSweep)
})
