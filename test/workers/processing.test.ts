import { createExecutionContext, createMessageBatch, createScheduledController, getQueueResult } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { leaseSeconds, maxAttempts, renewalSeconds, retryDelaySeconds } from '../../src/core/backoff.ts'
import type { Job } from '../../src/core/job.ts'
import worker from '../../src/index.ts'
import { inspect } from '../../src/processing/inspect.ts'
import type { Step } from '../../src/processing/step.ts'
import { byName } from '../../src/processing/steps.ts'
import { type JobOutcome, processUpload } from '../../src/services/process-upload.ts'
import { noise } from '../support/e2e/bodies.ts'
import { eventually } from '../support/e2e/eventually.ts'
import {
  adminToken,
  allRows,
  call,
  completeUpload,
  execute,
  expectProblem,
  expectStatus,
  file,
  heldExactly,
  holdings,
  jobsDone,
  makeDomain,
  nothingHeld,
  postForm,
  putFile,
  rowOf,
  type TestDomain,
  upload,
  waitForStatus,
} from '../support/workers/client.ts'
import { appWith, depsWith, faultyD1, HeldQueue, overriding } from '../support/workers/faults.ts'

vi.setConfig({ testTimeout: 30_000 })

const asAdmin = { key: adminToken }
const queue = new HeldQueue()
/** The interface with a queue that delivers when the test says so, and with a clock that stands where the test sets it. */
let clock = 0
const send = appWith({ deps: () => ({ queue, now: () => clock }) })
let domain: TestDomain

beforeAll(async () => {
  domain = await makeDomain()
})
beforeEach(() => {
  clock = Date.now()
  queue.take()
})

/** Stores a file and gives the job that was published for it. */
async function stored(content: Uint8Array | string = 'abc', at = domain): Promise<Job> {
  await upload(at, content, 'a', { send })
  const [job] = queue.take()
  return job!
}

/** Delivers a job to a worker, with some of its parts replaced. */
function work(
  job: Job,
  {
    step,
    bindings = {},
    maxRunning = null,
  }: { step?: Step['run']; bindings?: Record<string, unknown>; maxRunning?: number | null } = {},
): Promise<JobOutcome> {
  const deps = depsWith({ env: bindings })
  const [place] = deps.places
  const steps = step ? byName([{ ...inspect, run: step }]) : deps.steps
  return processUpload(job, { ...deps, ...place!, queue, steps, maxRunning, now: () => clock, random: () => 0.5 })
}

const failing: Step['run'] = () => Promise.reject(new Error('the scanner is down'))
const fine: Step['run'] = async () => ({ kind: 'result', result: { fine: true } })

/** A step that waits in its middle until the test lets it go on. */
function gate(end: Step['run'] = fine) {
  const entered = Promise.withResolvers<AbortSignal>()
  const leave = Promise.withResolvers<void>()
  const step: Step['run'] = async (context) => {
    entered.resolve(context.signal)
    await leave.promise
    return end(context)
  }
  return { step, entered: entered.promise, leave: leave.resolve }
}

const show = async (id: string) => (await call('GET', `${domain.origin}/v1/uploads/${id}`, asAdmin)).json

describe('a stored file that is no good', () => {
  const content = noise(3000)

  test.each([
    ['is gone', () => null, 'content-missing'],
    ['is empty', () => new Uint8Array(0), 'content-corrupt'],
    ['is cut', () => content.subarray(0, -1), 'content-corrupt'],
    ['has grown', () => Buffer.concat([content, content]), 'content-corrupt'],
    ['has one other bit', () => content.with(content.length - 1, content.at(-1)! ^ 1), 'content-corrupt'],
    ['is another one', () => noise(3000, 2), 'content-corrupt'],
  ])('fails at once: it %s', async (_name, replacement, code) => {
    const job = await stored(content)
    const key = `${job.id}/${domain.id}`
    const bytes = replacement()
    if (bytes) await env.BUCKET.put(key, bytes)
    else await env.BUCKET.delete(key)
    expect(await work(job)).toBe('failed')
    const shown = await show(job.id)
    expect(shown).toMatchObject({
      status: 'failed',
      attempts: 1,
      failure: { code, detail: expect.stringMatching(/\.$/) },
    })
    expect(shown.steps).toMatchObject([{ name: 'inspect', status: 'refused', result: { code } }])
    expect(shown.completedAt).not.toBeNull()
    expect((await rowOf(job.id)).events).toEqual(['pending', 'processing', 'failed'])
    expect(queue.take()).toEqual([])
    expectProblem(await call('GET', `${domain.origin}/v1/uploads/${job.id}/content`), 409, 'not-ready')
    const status = await call('GET', `${domain.origin}/v1/uploads/${job.id}/status`)
    expect(status.json).toMatchObject({ status: 'failed', failure: { code } })
    // A failed file still counts: only its owner deletes it.
    expect(
      await allRows(
        'SELECT 1 FROM file_events WHERE file_id = ? AND kind = ? AND failure_code = ?',
        job.id,
        'failed',
        code,
      ),
    ).toHaveLength(1)
  })
})

describe('an attempt that ends without an answer', () => {
  test('is tried again, later each time, and fails for good after the last', async () => {
    const job = await stored()
    let next = job
    for (let attempt = 1; attempt < maxAttempts; attempt++) {
      expect(await work(next, { step: failing })).toBe('retry')
      const delaySeconds = retryDelaySeconds(attempt, 0.5)
      expect(queue.published).toMatchObject([{ job: { ...job, publish: attempt + 1 }, delaySeconds }])
      ;[next] = queue.take() as [Job]
      const shown = await show(job.id)
      expect(shown).toMatchObject({
        status: 'pending',
        attempts: attempt,
        failure: { code: 'attempt-failed' },
        completedAt: null,
      })
      expect(JSON.stringify(shown)).not.toContain('scanner')
      // The same job, the next one, and a late one: nobody is earlier than the row says.
      clock += delaySeconds * 1000 - 1
      expect([await work(job), await work(next)]).toEqual(['nothing-to-do', 'nothing-to-do'])
      clock += 1
    }
    expect(await work(next, { step: failing })).toBe('failed')
    expect(await show(job.id)).toMatchObject({
      status: 'failed',
      attempts: maxAttempts,
      failure: { code: 'attempts-exhausted' },
    })
    expect(queue.take()).toEqual([])
    const attempts = Array.from({ length: maxAttempts }, () => ['pending', 'processing']).flat()
    expect((await rowOf(job.id)).events).toEqual([...attempts, 'failed'])
    clock += 24 * 3600_000
    expect(await work(next)).toBe('nothing-to-do')
  })

  test('and succeeds the next time, forgetting the failure', async () => {
    const job = await stored()
    expect(await work(job, { step: failing })).toBe('retry')
    clock += 12_000
    expect(await work(job)).toBe('complete')
    expect(await show(job.id)).toMatchObject({ status: 'complete', attempts: 2, failure: null })
    expect((await rowOf(job.id)).events).toEqual(['pending', 'processing', 'pending', 'processing', 'complete'])
  })

  test.each([
    [
      'R2 does not answer',
      () => ({ BUCKET: overriding(env.BUCKET, { get: () => Promise.reject(new Error('down')) }) }),
    ],
    [
      'the account can not be read',
      () => ({ DB: faultyD1(env.DB, (sql) => (/^select "domain_policies"/.test(sql) ? 'before' : undefined)) }),
    ],
    [
      'the result can not be kept',
      () => ({ DB: faultyD1(env.DB, (sql) => (/^insert into "step_runs"/.test(sql) ? 'before' : undefined)) }),
    ],
    [
      'the result is kept and the answer lost',
      () => ({ DB: faultyD1(env.DB, (sql) => (/^insert into "step_runs"/.test(sql) ? 'after' : undefined)) }),
    ],
    [
      'the end can not be written',
      () => ({ DB: faultyD1(env.DB, (sql) => (/"completed_at" = \?/.test(sql) ? 'before' : undefined)) }),
    ],
  ])('because %s', async (_name, bindings) => {
    const job = await stored()
    expect(await work(job, { bindings: bindings() })).toBe('retry')
    clock += 12_000
    expect(await work(job)).toBe('complete')
    expect((await show(job.id)).steps).toMatchObject([{ status: 'complete', result: { size: 3 } }])
    expect(await allRows('SELECT * FROM step_runs WHERE file_id = ?', job.id)).toHaveLength(1)
  })

  test('whose end was written and only the answer lost stays complete', async () => {
    const job = await stored()
    const DB = faultyD1(env.DB, (sql) => (/"completed_at" = \?/.test(sql) ? 'after' : undefined))
    expect(await work(job, { bindings: { DB } })).toBe('nothing-to-do')
    expect((await rowOf(job.id)).events).toEqual(['pending', 'processing', 'complete'])
  })

  test('and can not be written down either is delivered again', async () => {
    const job = await stored()
    let leased = false
    const DB = faultyD1(env.DB, (sql) => {
      if (leased) return 'before'
      leased = /"lease_number" = lease_number \+ 1/.test(sql)
      return undefined
    })
    await expect(work(job, { bindings: { DB } })).rejects.toThrow()
    // Nobody is told; the lease ends, and the next delivery takes over.
    expect(await work(job)).toBe('nothing-to-do')
    clock += leaseSeconds * 1000
    expect(await work(job)).toBe('complete')
    expect(await show(job.id)).toMatchObject({ attempts: 2 })
  })
})

describe('a job that is delivered more than once', () => {
  test('does its work once, one after the other', async () => {
    const job = await stored()
    let runs = 0
    const step: Step['run'] = (context) => {
      runs++
      return inspect.run(context)
    }
    expect([await work(job, { step }), await work(job, { step })]).toEqual(['complete', 'nothing-to-do'])
    expect(runs).toBe(1)
    expect((await rowOf(job.id)).events).toEqual(['pending', 'processing', 'complete'])
  })

  test('does its work once, all at the same time', async () => {
    const job = await stored()
    let runs = 0
    const step: Step['run'] = (context) => {
      runs++
      return inspect.run(context)
    }
    const outcomes = await Promise.all(Array.from({ length: 12 }, () => work(job, { step })))
    expect(outcomes.sort()).toEqual(['complete', ...Array(11).fill('nothing-to-do')])
    expect(runs).toBe(1)
    expect((await rowOf(job.id)).events).toEqual(['pending', 'processing', 'complete'])
  })

  test('while the first delivery still works does nothing', async () => {
    const job = await stored()
    const { step, entered, leave } = gate()
    const first = work(job, { step })
    await entered
    clock += leaseSeconds * 1000 - 1
    expect(await work(job)).toBe('nothing-to-do')
    leave()
    expect(await first).toBe('complete')
  })

  test.each([
    ['that names no file', { id: '01890000-0000-7000-8000-000000000000' }],
    ['for another domain', { domainId: '01890000-0000-7000-8000-000000000000' }],
    ['for a generation that is not there yet', { generation: 2 }],
  ])('%s does nothing', async (_name, change) => {
    const job = await stored()
    expect(await work({ ...job, ...change })).toBe('nothing-to-do')
    expect((await rowOf(job.id)).events).toEqual(['pending'])
    expect(await work(job)).toBe('complete')
  })
})

describe('a worker that has lost its lease', () => {
  const endings: [name: string, end: Step['run']][] = [
    ['succeeds', fine],
    [
      'finds the file bad',
      async () => ({ kind: 'verdict', verdict: 'failed', code: 'too-late', detail: 'Nobody should read this.' }),
    ],
    ['fails', failing],
  ]

  test.each(endings)('writes nothing, although it %s', async (_name, end) => {
    const job = await stored()
    const { step, entered, leave } = gate(end)
    const late = work(job, { step })
    await entered
    clock += leaseSeconds * 1000
    expect(await work(job)).toBe('complete')
    const before = await rowOf(job.id)
    leave()
    expect(await late).toBe('nothing-to-do')
    expect(await rowOf(job.id)).toEqual(before)
    expect(before).toMatchObject({ status: 'complete', attempts: 2 })
    expect((await show(job.id)).steps).toMatchObject([{ attempt: 2, result: { size: 3 } }])
    expect(queue.take()).toEqual([])
  })

  test.each(endings)('to the next attempt, which still runs, writes nothing, although it %s', async (_name, end) => {
    const job = await stored()
    const first = gate(end)
    const late = work(job, { step: first.step })
    await first.entered
    clock += leaseSeconds * 1000
    const second = gate()
    const next = work(job, { step: second.step })
    await second.entered
    first.leave()
    expect(await late).toBe('nothing-to-do')
    expect(await show(job.id)).toMatchObject({ status: 'processing', attempts: 2 })
    second.leave()
    expect(await next).toBe('complete')
    expect((await rowOf(job.id)).events).toEqual(['pending', 'processing', 'processing', 'complete'])
  })

  test('a long step keeps it by renewing, and is told when it is lost', async () => {
    const job = await stored()
    const { step, entered, leave } = gate()
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    try {
      const working = work(job, { step })
      const signal = await entered
      const leaseEnd = async () => (await rowOf(job.id)).lease_expires_at
      for (let turn = 0; turn < 4; turn++) {
        clock += renewalSeconds * 1000
        vi.advanceTimersByTime(renewalSeconds * 1000)
        await eventually(async () => expect(await leaseEnd()).toBe(clock + leaseSeconds * 1000))
      }
      expect(signal.aborted).toBe(false)
      expect(await work(job)).toBe('nothing-to-do')
      clock += leaseSeconds * 1000
      expect(await work(job)).toBe('complete')
      vi.advanceTimersByTime(renewalSeconds * 1000)
      await eventually(() => expect(signal.aborted).toBe(true))
      leave()
      expect(await working).toBe('nothing-to-do')
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('a file that is deleted while it is processed', () => {
  test.each([
    ['and succeeds', fine],
    ['and fails', failing],
  ] as const)('stays deleted: the worker goes on %s', async (_name, end) => {
    const here = await makeDomain()
    const job = await stored('abc', here)
    const { step, entered, leave } = gate(end)
    const working = work(job, { step })
    await entered
    expectStatus(await call('DELETE', `${here.origin}/v1/uploads/${job.id}`, { ...asAdmin, send }), 204)
    // The quota is free at once; the bytes stay until no worker can still be at them.
    expect(await holdings(here)).toEqual({ ...nothingHeld, objects: 1 })
    leave()
    expect(await working).toBe('nothing-to-do')
    expect(await rowOf(job.id)).toMatchObject({
      status: 'deleted',
      filename: '',
      events: ['pending', 'processing', 'deleted'],
    })
    expectProblem(await call('POST', `${here.origin}/v1/uploads/${job.id}/reprocess`, asAdmin), 410, 'upload-deleted')
    expect(await work(job)).toBe('nothing-to-do')
    clock += leaseSeconds * 1000
    await sweep()
    expect(await holdings(here)).toEqual(nothingHeld)
  })
})

describe('reprocessing', () => {
  const reprocess = (id: string) => call('POST', `${domain.origin}/v1/uploads/${id}/reprocess`, { ...asAdmin, send })

  test('starts the next generation, with a job of its own and fresh steps', async () => {
    const job = await stored()
    expectProblem(await reprocess(job.id), 409, 'status-conflict')
    await work(job)
    const answer = await reprocess(job.id)
    expectStatus(answer, 202)
    expect(answer.json).toMatchObject({
      status: 'pending',
      generation: 2,
      attempts: 0,
      completedAt: null,
      failure: null,
    })
    const [again] = queue.take()
    expect(again).toEqual({ ...job, generation: 2, publish: 1 })
    expect((await show(job.id)).steps).toMatchObject([{ status: 'waiting' }])
    expectProblem(await reprocess(job.id), 409, 'status-conflict')
    expectProblem(await call('GET', `${domain.origin}/v1/uploads/${job.id}/content`), 409, 'not-ready')
    // The old generation's job, delivered late, is nobody's business any more.
    expect(await work(job)).toBe('nothing-to-do')
    expect(await work(again!)).toBe('complete')
    expect(await rowOf(job.id)).toMatchObject({
      generation: 2,
      attempts: 1,
      events: ['pending', 'processing', 'complete', 'pending', 'processing', 'complete'],
    })
  })

  test('mends a file whose trouble has passed', async () => {
    const job = await stored()
    const key = `${job.id}/${domain.id}`
    await env.BUCKET.delete(key)
    expect(await work(job)).toBe('failed')
    await env.BUCKET.put(key, 'abc')
    expectStatus(await reprocess(job.id), 202)
    expect(await work(queue.take()[0]!)).toBe('complete')
    expect((await call('GET', `${domain.origin}/v1/uploads/${job.id}/content`)).text).toBe('abc')
  })

  test('asked for by many at once happens once', async () => {
    const job = await stored()
    await work(job)
    const answers = await Promise.all(Array.from({ length: 6 }, () => reprocess(job.id)))
    expect(answers.map((answer) => answer.status).sort()).toEqual([202, ...Array(5).fill(409)])
    expect(queue.take()).toHaveLength(1)
    expect(await show(job.id)).toMatchObject({ generation: 2 })
    await work({ ...job, generation: 2 })
  })

  test('takes the lease from a worker of the generation before', async () => {
    const job = await stored()
    const { step, entered, leave } = gate(failing)
    const late = work(job, { step })
    await entered
    clock += leaseSeconds * 1000
    await work(job)
    await reprocess(job.id)
    expect(await work(queue.take()[0]!)).toBe('complete')
    leave()
    expect(await late).toBe('nothing-to-do')
    expect(await show(job.id)).toMatchObject({ status: 'complete', generation: 2, attempts: 1 })
  })
})

describe('a domain with many files', () => {
  test('has only so many at work, and the others wait in their rows until there is room', async () => {
    const here = await makeDomain()
    const [first, second, third] = [await stored('a', here), await stored('b', here), await stored('c', here)]
    const { step, entered, leave } = gate()
    const working = work(first, { step, maxRunning: 1 })
    await entered
    expect(await work(second, { maxRunning: 1 })).toBe('postponed')
    clock += 1
    expect(await work(third, { maxRunning: 1 })).toBe('postponed')
    expect((await rowOf(second.id)).events).toEqual(['pending'])
    // Another domain is not held up by it.
    expect(await work(await stored(), { maxRunning: 1 })).toBe('complete')
    leave()
    expect(await working).toBe('complete')
    expect(queue.take()).toEqual([{ ...second, publish: 2 }])
    expect(await work({ ...second, publish: 2 }, { maxRunning: 1 })).toBe('complete')
    expect(queue.take()).toEqual([{ ...third, publish: 2 }])
    expect(await work({ ...third, publish: 2 }, { maxRunning: 1 })).toBe('complete')
    expect(queue.take()).toEqual([])
  })

  test('is not held up for ever by a worker that died', async () => {
    const here = await makeDomain()
    const [first, second] = [await stored('a', here), await stored('b', here)]
    void work(first, { step: () => new Promise(() => {}), maxRunning: 1 })
    await eventually(async () => expect(await rowOf(first.id)).toMatchObject({ status: 'processing' }))
    expect(await work(second, { maxRunning: 1 })).toBe('postponed')
    clock += leaseSeconds * 1000
    expect(await work(second, { maxRunning: 1 })).toBe('complete')
    await execute("UPDATE uploaded_files SET status = 'failed', lease_expires_at = NULL WHERE id = ?", first.id)
  })
})

/** One sweep of the reconciler at the test's own time. */
async function sweep(query = '', bindings: Record<string, unknown> = {}) {
  const through = appWith({ env: bindings, deps: () => ({ queue, now: () => clock, random: () => 0.5 }) })
  const answer = await call('POST', `http://localhost/v1/admin/reconcile${query}`, { ...asAdmin, send: through })
  expectStatus(answer, 200)
  return answer.json.reports[0]
}

const idle = {
  freedLeases: 0,
  published: 0,
  discardedClaims: 0,
  expired: 0,
  removedObjects: 0,
  removedOrphans: 0,
  forgotten: 0,
  purgedDomains: 0,
  toldDomains: 0,
  publishedDeliveries: 0,
}

describe('the reconciler', () => {
  let here: TestDomain
  beforeEach(async () => {
    here = await makeDomain()
    // What earlier tests have left to be done is not counted here.
    await execute('UPDATE uploaded_files SET next_publish_at = NULL, removal_due_at = NULL')
  })

  test('publishes what nobody took, twice as late each time', async () => {
    const lost = appWith({
      deps: () => ({ queue: { publish: () => Promise.reject(new Error('down')) }, now: () => clock }),
    })
    const { id } = await upload(here, 'abc', 'a', { send: lost })
    for (const [publish, afterSeconds] of [
      [2, 60],
      [3, 120],
      [4, 240],
    ] as const) {
      clock += afterSeconds * 1000 - 1
      expect(await sweep()).toEqual(idle)
      clock += 1
      expect(await sweep('?dry_run=true')).toEqual({ ...idle, published: 1 })
      expect(queue.take()).toEqual([])
      expect(await sweep()).toEqual({ ...idle, published: 1 })
      expect(queue.take()).toEqual([{ kind: 'process', id, domainId: here.id, generation: 1, publish, bytes: 3 }])
      expect(await sweep()).toEqual(idle)
    }
    expect(await work({ kind: 'process', id, domainId: here.id, generation: 1, publish: 4, bytes: 3 })).toBe('complete')
    clock += 24 * 3600_000
    expect(await sweep()).toEqual(idle)
  })

  test('never publishes the same number twice, although two sweep at once', async () => {
    for (let count = 0; count < 5; count++) await stored('abc', here)
    clock += 60_000
    const reports = await Promise.all([sweep(), sweep(), sweep()])
    expect(reports.reduce((sum, report) => sum + report.published, 0)).toBe(5)
    const jobs = queue.take()
    expect(jobs.every((job) => job.publish === 2)).toBe(true)
    expect(new Set(jobs.map((job) => job.id)).size).toBe(5)
  })

  test('gives the file of a dead worker another attempt, and fails it after the last', async () => {
    const job = await stored('abc', here)
    for (let attempt = 1; attempt <= maxAttempts; attempt++) {
      void work(job, { step: () => new Promise(() => {}) })
      await eventually(async () =>
        expect(await rowOf(job.id)).toMatchObject({ status: 'processing', attempts: attempt }),
      )
      clock += leaseSeconds * 1000 - 1
      expect(await sweep()).toEqual(idle)
      clock += 1
      expect(await sweep()).toMatchObject({ freedLeases: 1 })
      if (attempt === maxAttempts) break
      expect(queue.take()).toEqual([{ ...job, publish: attempt + 1 }])
      clock += retryDelaySeconds(attempt, 0.5) * 1000
    }
    expect(await rowOf(job.id)).toMatchObject({
      status: 'failed',
      failure_code: 'attempts-exhausted',
      attempts: maxAttempts,
    })
    expect(queue.take()).toEqual([])
    expect(await sweep()).toEqual(idle)
  })

  test('discards claims that can no longer be committed, and their parts', async () => {
    const dying = appWith({
      env: {
        // The request dies after its claim: neither its commit nor its clean-up arrives.
        DB: faultyD1(env.DB, (sql) => (/update "uploaded_files"|sha256" = /.test(sql) ? 'before' : undefined)),
        BUCKET: overriding(env.BUCKET, {
          resumeMultipartUpload: () => ({ abort: () => Promise.reject(new Error('dead')) }) as never,
        }),
      },
      deps: () => ({ queue }),
    })
    const { readable, writable } = new FixedLengthStream(6 * 1024 * 1024)
    const writer = writable.getWriter()
    const headers = { 'content-length': String(6 * 1024 * 1024) }
    const answering = putFile(here.origin, 'a', readable, { headers, send: dying })
    await writer.write(noise(5.5 * 1024 * 1024))
    await eventually(async () => expect((await holdings(here)).rows).toBe(1))
    await writer.abort(new Error('gone'))
    expectProblem(await answering, 400, 'body-incomplete')
    const size = 6 * 1024 * 1024
    expect(await holdings(here)).toEqual({
      storedFiles: 1,
      storedBytes: size,
      rows: 1,
      rowBytes: size,
      objects: 0,
      openMultiparts: 1,
    })
    clock += 12 * 3600_000 - 10_000
    expect(await sweep()).toEqual(idle)
    clock += 20_000
    expect(await sweep('?dry_run=true')).toEqual({ ...idle, discardedClaims: 1 })
    expect(await sweep()).toMatchObject({ discardedClaims: 1 })
    expect(await holdings(here)).toEqual(nothingHeld)
  })

  test('removes the object that a deletion could not remove, and looks once more an hour later', async () => {
    const { id } = await completeUpload(here, 'abc')
    const down = { BUCKET: overriding(env.BUCKET, { delete: () => Promise.reject(new Error('R2 is down')) }) }
    const failing = appWith({ env: down, deps: () => ({ now: () => clock }) })
    expectStatus(await call('DELETE', `${here.origin}/v1/uploads/${id}`, { ...asAdmin, send: failing }), 204)
    expect(await holdings(here)).toEqual({ ...nothingHeld, objects: 1 })
    expect(await sweep('', down)).toMatchObject({ removedObjects: 1 })
    expect(await holdings(here)).toMatchObject({ objects: 1 })
    expect(await sweep()).toMatchObject({ removedObjects: 1 })
    expect(await holdings(here)).toEqual(nothingHeld)
    // A write that was still on its way lands afterwards.
    await env.BUCKET.put(`${id}/${here.id}`, 'late')
    expect(await sweep()).toEqual(idle)
    clock += 3600_000
    expect(await sweep()).toMatchObject({ removedObjects: 1 })
    expect(await holdings(here)).toEqual(nothingHeld)
    expect(await sweep()).toEqual(idle)
  })

  test('goes on with the other chores when one fails', async () => {
    const job = await stored('abc', here)
    clock += 60_000
    const DB = faultyD1(env.DB, (sql) => (/"lease_expires_at" <= \?\)? order by/.test(sql) ? 'before' : undefined))
    expect(await sweep('', { DB })).toEqual({ ...idle, freedLeases: null, published: 1 })
    expect(queue.take()).toEqual([{ ...job, publish: 2 }])
  })

  test('deletes what is older than its domain keeps it, and forgets what is long deleted', async () => {
    const kept = await makeDomain({ retentionDays: 2, historyDays: 3 })
    const done = await completeUpload(kept, 'abc')
    const failed = await stored('abc', kept)
    await env.BUCKET.delete(`${failed.id}/${kept.id}`)
    expect(await work(failed)).toBe('failed')
    const day = 24 * 3600_000
    clock += 2 * day - 60_000
    expect(await sweep()).toMatchObject({ expired: 0 })
    clock += 120_000
    expect(await sweep('?dry_run=true')).toMatchObject({ expired: 2 })
    expect(await sweep()).toMatchObject({ expired: 2 })
    expect(await holdings(kept)).toEqual(nothingHeld)
    expectProblem(await call('GET', `${kept.origin}/v1/uploads/${done.id}`), 410, 'upload-deleted')
    clock += 3600_000
    await sweep()
    clock += 3 * day
    expect(await sweep()).toMatchObject({ forgotten: 2 })
    expectProblem(await call('GET', `${kept.origin}/v1/uploads/${done.id}`), 404, 'upload-not-found')
    for (const table of ['file_events', 'step_runs']) {
      expect(await allRows(`SELECT * FROM ${table} WHERE file_id IN (?, ?)`, done.id, failed.id)).toEqual([])
    }
  })

  test('deletes nothing of a domain that keeps files for longer than there have been clocks', async () => {
    const kept = await makeDomain({ retentionDays: 36_500 })
    await completeUpload(kept, 'abc')
    expect(await sweep()).toMatchObject({ expired: 0 })
    expect(await holdings(kept)).toEqual(heldExactly(3))
  })

  test('runs by the clock of the deployment', async () => {
    const { id } = await upload(here, 'abc', 'a', { send })
    await execute('UPDATE uploaded_files SET next_publish_at = 1 WHERE id = ?', id)
    const context = createExecutionContext()
    await worker.scheduled(createScheduledController(), env as never, context)
    // This time it went over the real queue.
    await waitForStatus(here, id)
    expect(await rowOf(id)).toMatchObject({ publish_count: 2, attempts: 1 })
  })
})

describe('objects without a row', () => {
  const dayMs = 24 * 3600_000
  /** The key of a file that came in so long ago. */
  const keyOf = (ageMs: number, number: number) => {
    const time = (clock - ageMs).toString(16).padStart(12, '0')
    return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${String(number).padStart(12, '0')}/${domain.id}`
  }

  test('are removed after a day, and nothing else is', async () => {
    clock = Date.now() + 40 * dayMs
    const known = await completeUpload(domain, 'abc')
    const [old, older, young] = [keyOf(dayMs + 60_000, 1), keyOf(2 * dayMs, 2), keyOf(dayMs - 60_000, 3)]
    for (const key of [old, older, young, 'somebody/else', 'README']) await env.BUCKET.put(key, 'x')
    expect((await sweep('?dry_run=true')).removedOrphans).toBeGreaterThanOrEqual(0)
    for (let round = 0; round < 30; round++) await sweep('?accept_orphans=true')
    const left = async (key: string) => (await env.BUCKET.head(key)) !== null
    expect([await left(old), await left(older)]).toEqual([false, false])
    expect([await left(young), await left('somebody/else'), await left('README')]).toEqual([true, true, true])
    expect((await call('GET', `${domain.origin}/v1/uploads/${known.id}/content`)).text).toBe('abc')
  })

  test('that are suspiciously many stay, until an operator has looked', async () => {
    clock = Date.now() + 400 * dayMs
    const keys = Array.from({ length: 12 }, (_, index) => keyOf(2 * dayMs, index))
    for (const key of keys) await env.BUCKET.put(key, 'x')
    const left = async () => (await Promise.all(keys.map((key) => env.BUCKET.head(key)))).filter(Boolean).length
    for (let round = 0; round < 5; round++) await sweep()
    expect(await left()).toBe(12)
    for (let round = 0; round < 5; round++) await sweep('?accept_orphans=true')
    expect(await left()).toBe(0)
  })
})

describe('the queue', () => {
  test('carries a file its whole way, and its events have no gap', async () => {
    const made = await upload(domain, noise(200_000))
    expect(made).toMatchObject({ status: 'pending', lastEvent: 1 })
    const complete = await waitForStatus(domain, made.id)
    expect(complete).toMatchObject({ status: 'complete', attempts: 1, generation: 1, lastEvent: 3, failure: null })
    expect(Date.parse(complete.completedAt)).toBeGreaterThanOrEqual(Date.parse(complete.createdAt))
    expect((await rowOf(made.id)).events).toEqual(['pending', 'processing', 'complete'])
  })

  test('carries fifty files at once', async () => {
    const here = await makeDomain()
    const files = Array.from({ length: 50 }, (_, index) => file(`${index}`, `file ${index}`))
    const answer = await postForm(here.origin, files)
    expectStatus(answer, 202)
    await eventually(async () => {
      const rows = await allRows<{ status: string; attempts: number }>(
        'SELECT status, attempts FROM uploaded_files WHERE domain_id = ?',
        here.id,
      )
      expect(rows).toEqual(Array(50).fill({ status: 'complete', attempts: 1 }))
    })
    expect(await holdings(here)).toEqual(heldExactly(...files.map(({ content }) => content.length)))
  })

  /** Delivers messages as the platform does, to the Worker's own handler. */
  const deliver = async (bodies: unknown[], bindings: Record<string, unknown> = {}, name = 'stevedore-jobs') => {
    const messages = bodies.map((body, index) => ({ id: `${index}`, timestamp: new Date(), attempts: 1, body }))
    const batch = createMessageBatch(name, messages)
    const context = createExecutionContext()
    await worker.queue(batch as never, { ...env, ...bindings } as never, context)
    return getQueueResult(batch, context)
  }

  test('drops what is no job, and does the others of the batch', async () => {
    const job = await stored()
    const junk = [null, 'x', 7, {}, { ...job, id: 'x' }, { ...job, generation: 0 }, { ...job, domainId: undefined }]
    const result = await deliver([...junk, job])
    expect(result.retryMessages).toEqual([])
    expect(result.explicitAcks).toHaveLength(junk.length + 1)
    expect(await rowOf(job.id)).toMatchObject({ status: 'complete' })
  })

  test('delivers again what found no database, and only that', async () => {
    const job = await stored()
    const DB = faultyD1(env.DB, (sql) => (/"lease_number" = lease_number \+ 1/.test(sql) ? 'before' : undefined))
    const result = await deliver([job, 'junk'], { DB })
    expect(result.retryMessages).toMatchObject([{ msgId: '0' }])
    expect(result.explicitAcks).toEqual(['1'])
    expect(await rowOf(job.id)).toMatchObject({ status: 'pending', attempts: 0 })
    await deliver([job])
  })

  test('does not deliver again what failed by itself: that is in the row', async () => {
    const job = await stored()
    const BUCKET = overriding(env.BUCKET, { get: () => Promise.reject(new Error('down')) })
    const result = await deliver([job], { BUCKET })
    expect(result).toMatchObject({ retryMessages: [], explicitAcks: ['0'] })
    expect(await rowOf(job.id)).toMatchObject({ status: 'pending', attempts: 1, publish_count: 2 })
    await execute('UPDATE uploaded_files SET next_attempt_at = NULL WHERE id = ?', job.id)
    await deliver([job])
  })

  test('hands what it has given up to the operator, and the row is due', async () => {
    const job = await stored()
    expect(await deliver([job, job, 'junk'], {}, 'stevedore-jobs-dead')).toMatchObject({ retryMessages: [] })
    expect(Number((await rowOf(job.id)).next_publish_at)).toBeLessThanOrEqual(Date.now())
    const list = await call('GET', 'http://localhost/v1/admin/dead-letters', asAdmin)
    const letters = list.json.deadLetters.filter((letter: { rowId: string }) => letter.rowId === job.id)
    expect(letters).toMatchObject([{ kind: 'process', rowId: job.id, domainId: domain.id, generation: 1, publish: 1 }])
    const of = async (slug: string) =>
      (await call('GET', `http://localhost/v1/admin/dead-letters?domain=${slug}`, asAdmin)).json.deadLetters
    expect(await of(domain.slug)).toEqual(list.json.deadLetters.filter(({ domainId }: Job) => domainId === domain.id))
    expect(await of((await makeDomain()).slug)).toEqual([])
    const nobodys = call('GET', 'http://localhost/v1/admin/dead-letters?domain=nobody', asAdmin)
    expectProblem(await nobodys, 404, 'domain-not-found')
    const retry = () =>
      call('POST', `http://localhost/v1/admin/dead-letters/${letters[0].id}/retry`, { ...asAdmin, send })
    const answer = await retry()
    expectStatus(answer, 202)
    expect(answer.json.published).toBe(true)
    expect(queue.take()).toEqual([{ ...job, publish: 2 }])
    expectProblem(await retry(), 404, 'dead-letter-not-found')
    expect(await work(job)).toBe('complete')
  })
})

test('a policy without steps is complete without reading a byte', async () => {
  const here = await makeDomain({ steps: [] })
  const job = await stored('abc', here)
  const BUCKET = overriding(env.BUCKET, { get: () => Promise.reject(new Error('read')) })
  expect(await work(job, { bindings: { BUCKET } })).toBe('complete')
  expect((await call('GET', `${here.origin}/v1/uploads/${job.id}`)).json.steps).toEqual([])
})

afterAll(async () => {
  // What this file has left waiting on purpose is no work for anybody.
  await execute(
    "UPDATE uploaded_files SET status = 'failed' WHERE status IN ('pending', 'processing') AND next_publish_at IS NULL",
  )
  await execute("UPDATE uploaded_files SET status = 'failed' WHERE status = 'pending'")
  await jobsDone()
}, 30_000)
