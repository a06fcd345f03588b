import {
  createExecutionContext,
  createMessageBatch,
  createScheduledController,
  runInDurableObject,
} from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test, vi } from 'vitest'
import operations from '../../docs/operations.md?raw'
import { dataPointOf } from '../../src/core/data-point.ts'
import { addTally, counted, countWork, type Tally } from '../../src/core/figures.ts'
import type { Log } from '../../src/core/ports.ts'
import { renderFamily } from '../../src/core/prometheus.ts'
import { nextSpan } from '../../src/core/trace-context.ts'
import type { WorkRecord } from '../../src/core/work-record.ts'
import { IsolateFigures } from '../../src/metrics/isolate-figures.ts'
import type { TotalsObject } from '../../src/metrics/totals-object.ts'
import { runJob } from '../../src/services/run-job.ts'
import { createWorker } from '../../src/worker.ts'
import configuration from '../../wrangler.toml?raw'
import { parsePrometheus, type ReadFamily } from '../support/prometheus.ts'
import { administer } from '../support/workers/administration.ts'
import {
  adminToken,
  allRows,
  call,
  execute,
  expectProblem,
  expectStatus,
  makeDomain,
  putFile,
} from '../support/workers/client.ts'
import { appWith, depsWith, faultyD1, HeldQueue } from '../support/workers/faults.ts'
import { receiverOrigin } from '../support/workers/webhooks.ts'

vi.setConfig({ testTimeout: 30_000 })

const queue = new HeldQueue()
const send = appWith({ deps: () => ({ queue }) })
const run = async () => {
  const deps = depsWith({ deps: () => ({ queue }) })
  for (const job of queue.take()) await runJob(deps, job)
  await deps.tellFigures()
}

type Metrics = Map<string, ReadFamily>

async function scrape(by = send): Promise<Metrics> {
  const answer = await call('GET', 'http://localhost/metrics', { key: adminToken, send: by })
  expectStatus(answer, 200)
  expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  return parsePrometheus(answer.text)
}

/** The value of one series; 0 where there is none. */
function numberOf(metrics: Metrics, name: string, labels: Record<string, string> = {}): number {
  const family = [...metrics].find(
    ([known]) => name.startsWith(known) && /^(_bucket|_sum|_count)?$/.test(name.slice(known.length)),
  )
  const found = family?.[1].samples.filter(
    (sample) =>
      sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  )
  expect(found?.length ?? 0, `${name} ${JSON.stringify(labels)}`).toBeLessThanOrEqual(1)
  return found?.[0]?.value ?? 0
}

const upload = async (origin: string, content = 'abc') => {
  const answer = await putFile(origin, 'a.txt', content, { send })
  expectStatus(answer, 202)
  return answer.json.id as string
}

describe('GET /metrics', () => {
  test('counts requests, jobs, steps and calls, and never goes back', async () => {
    const domain = await makeDomain()
    const before = await scrape()
    await upload(domain.origin)
    await run()
    await call('GET', `${domain.origin}/v1/uploads/${crypto.randomUUID()}`, { send })
    await call('GET', `${domain.origin}/nowhere/at/all`, { send })
    const after = await scrape()
    const grown = (name: string, labels?: Record<string, string>) =>
      numberOf(after, name, labels) - numberOf(before, name, labels)
    const put = { method: 'PUT', route: '/v1/uploads/:filename' }
    expect(grown('stevedore_http_requests_total', { ...put, status: '202' })).toBe(1)
    expect(grown('stevedore_http_requests_total', { method: 'GET', route: '/v1/uploads/:id', status: '404' })).toBe(1)
    expect(grown('stevedore_http_requests_total', { method: 'GET', route: 'none', status: '404' })).toBe(1)
    expect(grown('stevedore_http_request_duration_seconds_count', put)).toBe(1)
    expect(grown('stevedore_http_request_duration_seconds_bucket', { ...put, le: '60' })).toBe(1)
    expect(grown('stevedore_http_received_bytes_total')).toBe(3)
    expect(grown('stevedore_problems_total', { code: 'upload-not-found' })).toBe(1)
    expect(grown('stevedore_jobs_total', { kind: 'process', outcome: 'complete' })).toBe(1)
    expect(grown('stevedore_job_duration_seconds_count', { kind: 'process' })).toBe(1)
    expect(grown('stevedore_steps_total', { step: 'inspect', outcome: 'result' })).toBe(1)
    expect(grown('stevedore_calls_total', { part: 'r2' })).toBeGreaterThanOrEqual(2)
    expect(grown('stevedore_calls_total', { part: 'd1' })).toBeGreaterThanOrEqual(3)
    for (const [name, family] of before) {
      if (family.type === 'gauge') continue
      for (const sample of family.samples)
        expect(numberOf(after, sample.name, sample.labels), name).toBeGreaterThanOrEqual(sample.value)
    }
  })

  test('tells how things stand in the database', async () => {
    const domain = await makeDomain()
    const before = await scrape()
    const id = await upload(domain.origin, 'x'.repeat(1000))
    queue.take()
    const endpoint = await administer(domain, 'POST', '/webhooks', { url: `${receiverOrigin}/none` }, { send })
    expectStatus(endpoint, 201)
    await execute('UPDATE webhook_endpoints SET failing_since = 1 WHERE id = ?', endpoint.json.id)
    await execute('UPDATE uploaded_files SET next_publish_at = 1, updated_at = ? WHERE id = ?', Date.now() - 90_000, id)
    await execute(
      `INSERT INTO dead_letters (id, kind, row_id, domain_id, generation, publish, reason, created_at)
        VALUES (?, 'process', ?, ?, 1, 1, 'gone', 1)`,
      crypto.randomUUID(),
      id,
      domain.id,
    )
    const after = await scrape()
    const grown = (name: string, more: Record<string, string> = {}) => {
      const labels = { place: 'default', ...more }
      return numberOf(after, name, labels) - numberOf(before, name, labels)
    }
    expect(grown('stevedore_stored_files')).toBe(1)
    expect(grown('stevedore_stored_bytes')).toBe(1000)
    expect(grown('stevedore_open_files', { status: 'pending' })).toBe(1)
    expect(grown('stevedore_due_jobs', { kind: 'process' })).toBe(1)
    expect(grown('stevedore_dead_letters')).toBe(1)
    expect(grown('stevedore_webhook_endpoints', { state: 'failing' })).toBe(1)
    expect(numberOf(after, 'stevedore_oldest_pending_seconds')).toBeGreaterThanOrEqual(90)
    expect(numberOf(after, 'stevedore_oldest_pending_seconds')).toBeLessThan(300)
  })

  test('counts a deleted file among those whose objects stay only once its removal is overdue', async () => {
    const domain = await makeDomain()
    const id = await upload(domain.origin)
    queue.take()
    const staying = async () => numberOf(await scrape(), 'stevedore_objects_to_remove')
    const before = await staying()
    const deleted = await call('DELETE', `${domain.origin}/v1/uploads/${id}`, { key: adminToken, send })
    expectStatus(deleted, 204)
    const due = "SELECT removal_due_at AS at FROM uploaded_files WHERE id = ? AND status = 'deleted'"
    const [row] = await allRows<{ at: number }>(due, id)
    expect(row?.at).toBeGreaterThan(Date.now())
    expect(await staying()).toBe(before)
    await execute('UPDATE uploaded_files SET removal_due_at = ? WHERE id = ?', Date.now() - 11 * 60_000, id)
    expect(await staying()).toBe(before + 1)
  })

  test('shows what alerts ask for before it has ever happened', async () => {
    const metrics = await scrape()
    const outcomes = metrics.get('stevedore_jobs_total')?.samples.map(({ labels }) => labels)
    expect(outcomes).toContainEqual({ kind: 'process', outcome: 'quarantined' })
    expect(metrics.get('stevedore_problems_total')?.samples.map(({ labels }) => labels.code)).toContain('busy')
  })

  test('a database that does not answer is left out, and said to be', async () => {
    const DB = faultyD1(env.DB, (sql) => (sql.includes('dead_letters') ? 'before' : undefined))
    const noise = vi.spyOn(console, 'error').mockImplementation(() => {})
    const metrics = await scrape(appWith({ env: { DB } }))
    expect(numberOf(metrics, 'stevedore_source_up', { source: 'default' })).toBe(0)
    expect(numberOf(metrics, 'stevedore_source_up', { source: 'totals' })).toBe(1)
    expect(metrics.get('stevedore_stored_files')?.samples).toEqual([])
    expect(noise.mock.calls.map(([line]) => JSON.parse(line).event)).toEqual(['metrics-not-read'])
    noise.mockRestore()
  })

  test('without the binding there is what the database knows', async () => {
    const metrics = await scrape(appWith({ env: { TOTALS: undefined } }))
    expect(metrics.has('stevedore_jobs_total')).toBe(false)
    expect(metrics.get('stevedore_source_up')?.samples.map(({ labels }) => labels)).toEqual([{ source: 'default' }])
  })

  test('is not there on a domain’s own host', async () => {
    const domain = await makeDomain()
    const answer = await call('GET', `${domain.origin}/metrics`, { key: adminToken })
    expectProblem(answer, 404, 'route-not-found')
  })
})

describe('the totals of all isolates', () => {
  test('are the sum of what each has told, and outlive the object', async () => {
    const stub = env.TOTALS.getByName(crypto.randomUUID())
    await stub.add(
      new Map([
        ['a', [1]],
        ['h', [1, 0, 2.5]],
      ]),
    )
    await stub.add(
      new Map([
        ['a', [2]],
        ['b', [5]],
        ['h', [0, 1, 0.5]],
      ]),
    )
    const expected = new Map([
      ['a', [3]],
      ['h', [1, 1, 3]],
      ['b', [5]],
    ])
    expect(await stub.read()).toEqual(expected)
    const stored = await runInDurableObject(stub, (_object, state) => state.storage.get('totals'))
    expect(stored).toEqual(expected)
  })

  test('are told of jobs and sweeps at the end of each batch and sweep', async () => {
    const { origin } = await makeDomain()
    await upload(origin)
    const totals = async (key: string) => (await env.TOTALS.getByName('totals').read()).get(key)?.[0] ?? 0
    const [complete, sweeps] = ['stevedore_jobs_total\tprocess\tcomplete', 'stevedore_sweeps_total']
    const before = { complete: await totals(complete), sweeps: await totals(sweeps) }
    const worker = createWorker((_env, context) =>
      depsWith({ deps: () => ({ queue, places: [] }) }, context as ExecutionContext),
    )
    const messages = queue.take().map((body, nth) => ({ id: `m${nth}`, timestamp: new Date(), attempts: 1, body }))
    await worker.queue(createMessageBatch('stevedore-jobs', messages), env, createExecutionContext())
    expect(await totals(complete)).toBe(before.complete + 1)
    await worker.scheduled(createScheduledController(), env, createExecutionContext())
    expect(await totals(sweeps)).toBe(before.sweeps + 1)
  })

  test('are told what an isolate has counted once in a while, and not by each request', async () => {
    vi.useFakeTimers()
    const told: Tally[] = []
    const figures = figuresOf({ gatherMs: 5_000, add: async (tally) => void told.push(tally) })
    const outlived: Promise<unknown>[] = []
    for (let nth = 0; nth < 3; nth++) figures.count(record(), (promise) => outlived.push(promise))
    await vi.advanceTimersByTimeAsync(4_999)
    expect(told).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(outlived).toHaveLength(1)
    expect(told.map((tally) => tally.get(requests))).toEqual([[3]])
    vi.useRealTimers()
  })

  test('what could not be told is told the next time', async () => {
    let isThere = false
    const told: Tally[] = []
    const logged: string[] = []
    const add = async (tally: Tally) => {
      if (!isThere) throw new Error('no object')
      told.push(tally)
    }
    const figures = figuresOf({ gatherMs: 0, add, log: (_level, event) => logged.push(event) })
    const count = () => new Promise<unknown>((resolve) => figures.count(record(), (promise) => resolve(promise)))
    await count()
    expect(logged).toEqual(['figures-not-told'])
    isThere = true
    await count()
    expect(told.map((tally) => tally.get(requests))).toEqual([[2]])
  })

  test('a flush that was ended with its request is made up for', async () => {
    vi.useFakeTimers()
    const told: Tally[] = []
    const figures = figuresOf({ gatherMs: 1_000, add: async (tally) => void told.push(tally) })
    figures.count(record(), () => vi.clearAllTimers())
    await vi.advanceTimersByTimeAsync(31_000)
    expect(told).toEqual([])
    figures.count(record(), () => {})
    await vi.advanceTimersByTimeAsync(1_000)
    expect(told.map((tally) => tally.get(requests))).toEqual([[2]])
    vi.useRealTimers()
  })
})

const requests = 'stevedore_http_requests_total\tPUT\t/v1/uploads/:filename\t202'

function figuresOf({
  gatherMs,
  add,
  log = () => {},
}: {
  gatherMs: number
  add: (tally: Tally) => Promise<void>
  log?: Log
}) {
  const objects = { getByName: () => ({ add }) } as unknown as DurableObjectNamespace<TotalsObject>
  return new IsolateFigures({ objects, gatherMs, log })
}

const record = (more: Partial<WorkRecord> = {}): WorkRecord => ({
  work: 'request',
  requestId: 'r',
  span: nextSpan(null),
  durationMs: 120,
  calls: {
    r2: { count: 1, failures: 0, ms: 7 },
    d1: { count: 3, failures: 1, ms: 19 },
    queue: { count: 0, failures: 0, ms: 0 },
    post: { count: 0, failures: 0, ms: 0 },
  },
  notes: { method: 'PUT', route: '/v1/uploads/:filename', status: 202, outcome: 'ok', domainId: 'd', bytesIn: 9 },
  ...more,
})

describe('figures', () => {
  test('no client makes a label: a method that is none is another', () => {
    const tally: Tally = new Map()
    countWork(tally, record({ notes: { method: 'X-EVIL', route: 'none', status: 405 } }))
    expect([...tally.keys()]).toContain('stevedore_http_requests_total\tother\tnone\t405')
    expect([...tally.keys()].join()).not.toContain('EVIL')
  })

  test('what another version has counted in another form begins anew', () => {
    const into: Tally = new Map([['h', [1, 2, 3]]])
    addTally(into, new Map([['h', [1, 1]]]))
    expect(into.get('h')).toEqual([1, 1])
  })

  test('text in labels and help is escaped', () => {
    const family = { type: 'gauge', help: 'a\\b\nc', labels: ['l'] } as const
    const text = renderFamily('m', family, [{ labels: ['say "hi"\\\n'], numbers: [0.5] }])
    expect(text).toBe('# HELP m a\\\\b\\nc\n# TYPE m gauge\nm{l="say \\"hi\\"\\\\\\n"} 0.5\n')
    expect(parsePrometheus(text).get('m')?.samples).toEqual([{ name: 'm', labels: { l: 'say "hi"\\\n' }, value: 0.5 }])
  })
})

describe('Analytics Engine', () => {
  test('gets a data point in the documented layout', () => {
    expect(dataPointOf(record())).toEqual({
      indexes: ['d'],
      blobs: ['request', '/v1/uploads/:filename', 'PUT', '202', 'ok', '', 'd'],
      doubles: [120, 9, 0, 0, 0, 1, 7, 0, 3, 19, 1, 0, 0, 0, 0, 0, 0],
    })
    const job = { work: 'job', notes: { kind: 'process', outcome: 'failed', attempt: 2, generation: 3 } } as const
    expect(dataPointOf(record(job))).toMatchObject({
      indexes: ['none'],
      blobs: ['job', 'process', '', '', 'failed', '', ''],
      doubles: [120, 0, 0, 2, 3, 1, 7, 0, 3, 19, 1, 0, 0, 0, 0, 0, 0],
    })
  })

  test('is not bound by default, since an account without it takes no deployment that is', () => {
    const tables = configuration.match(/^.*analytics_engine_datasets\]\]$/gm)
    expect(tables).toEqual(['# [[analytics_engine_datasets]]', '# [[env.production.analytics_engine_datasets]]'])
  })

  test('gets one of each request and each job', async () => {
    const domain = await makeDomain()
    const points: AnalyticsEngineDataPoint[] = []
    const METRICS = { writeDataPoint: (point: AnalyticsEngineDataPoint) => void points.push(point) }
    const faults = { env: { METRICS }, deps: () => ({ queue }) }
    await putFile(domain.origin, 'a.txt', 'abc', { send: appWith(faults) })
    for (const job of queue.take()) await runJob(depsWith(faults), job)
    expect(points.map(({ blobs }) => blobs?.slice(0, 2))).toEqual([
      ['request', '/v1/uploads/:filename'],
      ['job', 'process'],
    ])
  })
})

describe('docs/operations.md', () => {
  const withoutSuffix = (name: string) => name.replace(/_(bucket|sum|count)$/, '')
  const named = new Set((operations.match(/stevedore_[a-z0-9_]+/g) ?? []).map(withoutSuffix))

  test('describes every metric that there is, and no other', async () => {
    expect([...named].sort()).toEqual([...(await scrape()).keys()].sort())
  })

  test('asks its metrics in rules only for labels that they have', () => {
    const labels = new Map(Object.entries(counted).map(([name, family]) => [name, family.labels as readonly string[]]))
    const asked = [...operations.matchAll(/(stevedore_[a-z_]+)\{([a-z]+)=~?"/g)].filter(([, name = '']) =>
      labels.has(name),
    )
    expect(asked.length).toBeGreaterThan(5)
    for (const [whole, name = '', label = ''] of asked) expect(labels.get(name), whole).toContain(label)
  })

  test('says of every alert what to do then', () => {
    const alerts = [...operations.matchAll(/- alert: (\w+)/g)].map(([, name]) => name)
    const headings = [...operations.matchAll(/^### (Stevedore\w+)$/gm)].map(([, name]) => name)
    expect(alerts.length).toBeGreaterThan(10)
    expect(headings).toEqual(alerts)
  })
})
