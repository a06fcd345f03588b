import { env } from 'cloudflare:workers'
import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import type { Job } from '../../src/core/job.ts'
import type { Deps } from '../../src/deps.ts'
import { inspect } from '../../src/processing/inspect.ts'
import type { Step, StepContext } from '../../src/processing/step.ts'
import { byName } from '../../src/processing/steps.ts'
import { reconcile } from '../../src/services/reconcile/reconcile.ts'
import { runJob } from '../../src/services/run-job.ts'
import {
  adminToken,
  allRows,
  call,
  expectStatus,
  makeDomain,
  objectKeys,
  putFile,
  rowOf,
  type TestDomain,
} from '../support/workers/client.ts'
import { appWith, depsWith, faultyD1, HeldQueue, type Moment } from '../support/workers/faults.ts'

vi.setConfig({ testTimeout: 600_000 })

const isFull = Boolean((env as unknown as Record<string, unknown>).STEVEDORE_TEST_FULL)
const runs = { numRuns: isFull ? 300 : 25, seed: 20_261_122 }

const minute = 60_000

/** A Worker with a clock, a queue and a step in the hands of the test. */
class Workshop {
  readonly queue = new HeldQueue()
  readonly send = appWith({ deps: () => ({ queue: this.queue, log: () => {} }) })
  aheadMs = 0
  readonly #step: (context: StepContext) => ReturnType<Step['run']>
  readonly #fault: (sql: string) => Moment | undefined

  constructor(
    step: (context: StepContext) => ReturnType<Step['run']>,
    fault: (sql: string) => Moment | undefined = () => undefined,
  ) {
    this.#step = step
    this.#fault = fault
  }

  async upload(domain: TestDomain, name: string): Promise<Job> {
    expectStatus(await putFile(domain.origin, name, name, { send: this.send }), 202)
    return this.queue.take()[0]!
  }

  run(job: Job): Promise<boolean> {
    return runJob(this.#deps(), job)
  }

  async sweep(): Promise<void> {
    const deps = this.#deps()
    for (const place of deps.places) await reconcile({ ...deps, ...place })
  }

  #deps(): Deps {
    return depsWith({
      env: { DB: faultyD1(env.DB, this.#fault) },
      deps: () => ({
        queue: this.queue,
        steps: byName([{ ...inspect, run: this.#step }]),
        now: () => Date.now() + this.aheadMs,
        random: () => 0.5,
        log: () => {},
      }),
    })
  }
}

const results = (id: string) =>
  allRows<{ generation: number; attempt: number; result: string }>(
    'SELECT generation, attempt, result FROM step_runs WHERE file_id = ? ORDER BY generation',
    id,
  )

/** Only the end of a file's way writes this column; a reprocess empties it, with the generation. */
const ends = (sql: string) => sql.includes('"completed_at" = ?') && !sql.includes('"generation" = generation + 1')

/** How the jobs of up to three files are delivered: how often, in what order, how many at once, how far apart. */
const schedules = fc.record({
  copies: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 3 }),
  order: fc.array(fc.nat(), { minLength: 15, maxLength: 15 }),
  waves: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 15, maxLength: 15 }),
  waitSeconds: fc.array(fc.constantFrom(0, 0, 5, 15, 40), { minLength: 15, maxLength: 15 }),
  stepMs: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 5, maxLength: 5 }),
})
type Schedule = typeof schedules extends fc.Arbitrary<infer T> ? T : never

/** Delivers each job as often and in such company as the schedule says. */
async function deliver(workshop: Workshop, jobs: readonly Job[], schedule: Schedule): Promise<void> {
  const { copies, order, waves, waitSeconds } = schedule
  const left = jobs
    .flatMap((job, index) => Array.from({ length: copies[index % copies.length]! }, () => job))
    .map((job, index) => ({ job, at: order[index % order.length]! }))
    .sort((a, b) => a.at - b.at)
  for (let wave = 0; left.length > 0; wave++) {
    workshop.aheadMs += waitSeconds[wave % waitSeconds.length]! * 1000
    const together = left.splice(0, waves[wave % waves.length]!)
    await Promise.all(together.map(({ job }) => workshop.run(job)))
  }
}

describe('a job that is delivered one to five times, at once and out of order', () => {
  const troubles = fc.record({
    /** How many attempts of each file throw in the step. */
    failures: fc.integer({ min: 0, max: 2 }),
    /** What becomes of the first writing of each file's end. */
    end: fc.constantFrom('good' as const, 'before' as const, 'after' as const),
  })

  test('has one end, and its step succeeds once', async () => {
    const domain = await makeDomain()
    const property = async (schedule: Schedule, { failures, end }: { failures: number; end: 'good' | Moment }) => {
      const tries = new Map<string, number>()
      let lostEnds = 0
      const workshop = new Workshop(
        async ({ file }) => {
          const nth = (tries.get(file.id) ?? 0) + 1
          tries.set(file.id, nth)
          await new Promise((resolve) => setTimeout(resolve, schedule.stepMs[nth % 5]))
          if (nth <= failures) throw new Error('not this time')
          return { kind: 'result', result: { nth } }
        },
        // One file only, so that it is known whose end was lost.
        (sql) => (end !== 'good' && ends(sql) && lostEnds++ === 0 ? end : undefined),
      )
      const files: Job[] = []
      for (const index of schedule.copies.keys()) files.push(await workshop.upload(domain, `file-${index}`))

      let jobs = files
      for (let round = 0; round < 8; round++) {
        await deliver(workshop, jobs, schedule)
        // Old jobs come back as well, among those that were published for another attempt.
        jobs = [...files, ...workshop.queue.take()]
        workshop.aheadMs += minute
      }

      let extraAttempts = 0
      for (const { id } of files) {
        const row = await rowOf(id)
        expect(row).toMatchObject({ status: 'complete', lease_expires_at: null, next_publish_at: null })
        expect(tries.get(id)).toBe(failures + 1)
        const attempts = row.attempts as number
        extraAttempts += attempts - failures - 1
        expect(row.events).toEqual([
          'pending',
          ...Array.from({ length: attempts - 1 }, () => ['processing', 'pending']).flat(),
          'processing',
          'complete',
        ])
        expect(await results(id)).toEqual([{ generation: 1, attempt: failures + 1, result: `{"nth":${failures + 1}}` }])
      }
      // An end that was not written takes one more attempt, which finds the step done; one that was written takes none.
      expect(extraAttempts).toBe(end === 'before' ? 1 : 0)
    }
    await fc.assert(fc.asyncProperty(schedules, troubles, property), runs)
  })

  test('does nothing for a generation that is over', async () => {
    const domain = await makeDomain()
    const property = async (schedule: Schedule) => {
      const steps: string[] = []
      const workshop = new Workshop(async ({ file }) => {
        steps.push(file.id)
        return { kind: 'result', result: {} }
      })
      const first = await workshop.upload(domain, 'file')
      await deliver(workshop, [first], schedule)
      const path = `${domain.origin}/v1/uploads/${first.id}/reprocess`
      expectStatus(await call('POST', path, { key: adminToken, send: workshop.send }), 202)
      const second = workshop.queue.take()
      expect(second).toMatchObject([{ id: first.id, generation: 2, publish: 1 }])
      const ofAnother = { ...first, generation: 3 }
      await deliver(workshop, [first, ...second, ofAnother], { ...schedule, copies: [2, ...schedule.copies] })
      expect(steps).toEqual([first.id, first.id])
      const row = await rowOf(first.id)
      expect(row.events).toEqual(['pending', 'processing', 'complete', 'pending', 'processing', 'complete'])
      expect((await results(first.id)).map((result) => result.generation)).toEqual([1, 2])
    }
    await fc.assert(fc.asyncProperty(schedules, property), runs)
  })
})

describe('a worker that is slower than its lease', () => {
  /** Two workers at one file: the first stays in its step until it is let go. */
  async function slowAndFast(
    slowEnd: 'result' | 'failure' | 'throw',
    between: (workshop: Workshop, job: Job, url: string) => Promise<void>,
    second: () => Promise<void> = async () => {},
  ) {
    const domain = await makeDomain()
    const gate = Promise.withResolvers<void>()
    const entered = Promise.withResolvers<void>()
    let calls = 0
    const workshop = new Workshop(async () => {
      const nth = ++calls
      if (nth > 1) {
        await second()
        return { kind: 'result', result: { worker: nth } }
      }
      entered.resolve()
      await gate.promise
      if (slowEnd === 'throw') throw new Error('late')
      if (slowEnd === 'failure') return { kind: 'verdict', verdict: 'failed', code: 'late', detail: 'Too late.' }
      return { kind: 'result', result: { worker: 1 } }
    })
    const job = await workshop.upload(domain, 'file')
    const slow = workshop.run(job)
    await entered.promise
    // As long as the lease runs nobody else gets in.
    await workshop.run(job)
    expect(calls).toBe(1)
    workshop.aheadMs += 3 * minute
    await between(workshop, job, `${domain.origin}/v1/uploads/${job.id}`)
    const takenOver = await rowOf(job.id)
    gate.resolve()
    expect(await slow).toBe(true)
    return { job, domain, workshop, calls: () => calls, takenOver }
  }

  const slowEnds = ['result', 'failure', 'throw'] as const

  test.each(slowEnds)('and ends by %s writes nothing once another has completed the file', async (slowEnd) => {
    let jobs: Job[] = []
    const { job, workshop, calls, takenOver } = await slowAndFast(slowEnd, async (workshop) => {
      await workshop.sweep()
      jobs = workshop.queue.take().filter(({ generation }) => generation === 1)
      workshop.aheadMs += minute
      for (const again of jobs) await workshop.run(again)
    })
    expect(jobs.length).toBeGreaterThan(0)
    expect(takenOver.status).toBe('complete')
    expect(await rowOf(job.id)).toEqual(takenOver)
    expect(takenOver.events).toEqual(['pending', 'processing', 'pending', 'processing', 'complete'])
    expect(await results(job.id)).toEqual([{ generation: 1, attempt: 2, result: '{"worker":2}' }])
    await workshop.run(job)
    expect(calls()).toBe(2)
  })

  test.each(slowEnds)('and ends by %s writes nothing while another attempt is only waiting', async (slowEnd) => {
    const { job, workshop, takenOver } = await slowAndFast(slowEnd, (workshop) => workshop.sweep())
    expect(takenOver).toMatchObject({ status: 'pending', attempts: 1 })
    expect(await rowOf(job.id)).toEqual(takenOver)
    expect(await results(job.id)).toEqual([])
    workshop.aheadMs += minute
    await workshop.run(job)
    expect(await rowOf(job.id)).toMatchObject({ status: 'complete', attempts: 2 })
    expect(await results(job.id)).toEqual([{ generation: 1, attempt: 2, result: '{"worker":2}' }])
  })

  test.each(slowEnds)('and ends by %s writes nothing while another is at work', async (slowEnd) => {
    const inside = Promise.withResolvers<void>()
    const second = Promise.withResolvers<void>()
    let other: Promise<boolean> | undefined
    const { job, takenOver } = await slowAndFast(
      slowEnd,
      async (workshop, job) => {
        other = workshop.run({ ...job, publish: 2 })
        await inside.promise
      },
      () => {
        inside.resolve()
        return second.promise
      },
    )
    expect(takenOver).toMatchObject({ status: 'processing', attempts: 2 })
    expect(await rowOf(job.id)).toEqual(takenOver)
    expect(await results(job.id)).toEqual([])
    second.resolve()
    await other
    expect(await rowOf(job.id)).toMatchObject({ status: 'complete', attempts: 2 })
    expect(await results(job.id)).toEqual([{ generation: 1, attempt: 2, result: '{"worker":2}' }])
  })

  test.each(slowEnds)('and ends by %s writes nothing once its file is deleted', async (slowEnd) => {
    const { job, domain, workshop, takenOver } = await slowAndFast(slowEnd, async (workshop, _job, url) => {
      expectStatus(await call('DELETE', url, { key: adminToken, send: workshop.send }), 204)
    })
    expect(takenOver).toMatchObject({ status: 'deleted', events: ['pending', 'processing', 'deleted'] })
    expect(await rowOf(job.id)).toEqual(takenOver)
    expect(await results(job.id)).toEqual([])
    await workshop.run(job)
    workshop.aheadMs += 2 * 60 * minute
    await workshop.sweep()
    expect(await rowOf(job.id)).toMatchObject({ status: 'deleted', removal_due_at: null })
    expect(await objectKeys()).not.toContain(`${job.id}/${domain.id}`)
  })
})
