import { env } from 'cloudflare:workers'
import { beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { maxAttempts } from '../../src/core/backoff.ts'
import type { Job } from '../../src/core/job.ts'
import type { Deps } from '../../src/deps.ts'
import { defineStep, type Step, type StepContext, type StepOutcome } from '../../src/processing/step.ts'
import { byName } from '../../src/processing/steps.ts'
import { answerStep } from '../../src/services/answer-step.ts'
import { type JobOutcome, processUpload } from '../../src/services/process-upload.ts'
import { reconcile } from '../../src/services/reconcile/reconcile.ts'
import {
  adminToken,
  allRows,
  call,
  expectProblem,
  expectStatus,
  makeDomain,
  rowOf,
  type TestDomain,
  upload,
} from '../support/workers/client.ts'
import { appWith, depsWith, faultyD1, HeldQueue } from '../support/workers/faults.ts'

vi.setConfig({ testTimeout: 30_000 })

const asAdmin = { key: adminToken }
const minute = 60_000
const queue = new HeldQueue()
let clock = 0

/** What the step of a test does; it may be called "try" or, in a policy that has it twice, anything else. */
let run: (context: StepContext<{ times: number }>) => Promise<StepOutcome>
const trial = defineStep<{ times: number }>({
  name: 'try',
  options: z.strictObject({ times: z.int().min(1).max(9).default(1) }),
  accepts: (type) => type !== 'image/gif',
  run: (context) => run(context),
})
const early = { ...trial, name: 'early', forbidsEarlyReading: true } satisfies Step
const lost = { ...trial, name: 'lost', unavailable: 'needs LOST_HOST, which is not configured' } satisfies Step

const replaced = () => ({ queue, now: () => clock, steps: byName([trial, early, lost]), random: () => 0.5 })
const send = appWith({ deps: replaced })
let domain: TestDomain

beforeAll(async () => {
  domain = await makeDomainWith({ steps: [{ step: 'try' }] })
})
beforeEach(() => {
  clock = Date.now()
  queue.take()
})

const administer = (method: string, path: string, body: object) =>
  call(method, `http://localhost/v1/domains${path}`, {
    ...asAdmin,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    send,
  })

async function makeDomainWith(policy: object): Promise<TestDomain> {
  const made = await makeDomain()
  expectStatus(await administer('PATCH', `/${made.slug}`, { policy }), 200)
  return made
}

const parts = (bindings = {}) => {
  const deps: Deps = depsWith({ env: bindings, deps: replaced })
  return { ...deps, ...deps.places[0]!, maxRunning: null }
}
const work = (job: Job, bindings = {}): Promise<JobOutcome> => processUpload(job, parts(bindings))
const sweep = () => reconcile(parts())

async function stored(content: string | Uint8Array = 'abc', at = domain, name = 'a'): Promise<Job> {
  await upload(at, content, name, { send })
  return queue.take()[0]!
}

const show = async (id: string, at = domain) =>
  (await call('GET', `${at.origin}/v1/uploads/${id}`, { ...asAdmin, send })).json
const stepOf = async (id: string) => (await show(id)).steps[0]
const keysOf = async (id: string) => (await env.BUCKET.list({ prefix: id })).objects.map(({ key }) => key)
const result = (facts: Record<string, unknown> = {}): StepOutcome => ({ kind: 'result', result: facts })

describe('a policy', () => {
  const wrong: [name: string, policy: object, at: string, message: RegExp][] = [
    ['a step that there is not', { steps: [{ step: 'exlode' }] }, 'json.policy.steps.0.step', /none of .*try, early/],
    ['a name of the prototype', { steps: [{ step: 'constructor' }] }, 'json.policy.steps.0.step', /is none of/],
    [
      'an option that there is not',
      { steps: [{ step: 'try', options: { a: 1 } }] },
      'json.policy.steps.0.options',
      /a/,
    ],
    [
      'an option out of its bounds',
      { steps: [{ step: 'try', options: { times: 10 } }] },
      'json.policy.steps.0.options.times',
      /9/,
    ],
    ['a step that can’t run here', { steps: [{ step: 'lost' }] }, 'json.policy.steps.0.step', /needs LOST_HOST/],
    [
      'early reading beside a step that forbids it',
      { steps: [{ step: 'early' }], readBeforeComplete: true },
      'json.policy.readBeforeComplete',
      /must be false with the step "early"/,
    ],
  ]

  test.each(wrong)('with %s is refused, for a new domain and for an old one', async (_name, policy, at, message) => {
    for (const [method, path, slug] of [
      ['POST', '', { slug: 'never-made' }],
      ['PATCH', `/${domain.slug}`, {}],
    ] as const) {
      const answer = await administer(method, path, { ...slug, policy })
      expectProblem(answer, 400, 'request-invalid')
      expect(answer.json.problems[0]).toMatchObject({ at, message: expect.stringMatching(message) })
    }
    expectStatus(await call('GET', 'http://localhost/v1/domains/never-made', asAdmin), 404)
  })

  test.each<[string, object[]]>([
    ['has a step twice under one name', [{ step: 'try' }, { step: 'try' }]],
    ['has a member that there is not', [{ step: 'try', option: {} }]],
    ['has options of more than 4,096 characters', [{ step: 'try', options: { text: 'x'.repeat(4097) } }]],
    ['has more than 20 steps', Array.from({ length: 21 }, (_, index) => ({ step: 'try', as: `t${index}` }))],
    ['names a step by what is no name', [{ step: 'Try!' }]],
  ])('that %s is refused', async (_name, steps) => {
    const answer = await administer('PATCH', `/${domain.slug}`, { policy: { steps } })
    expectProblem(answer, 400, 'request-invalid')
  })

  test('whose step the deployment has lost can still be changed elsewhere; its files wait', async () => {
    const here = await makeDomainWith({ steps: [{ step: 'try' }] })
    const { DB } = env
    await DB.prepare(
      `UPDATE domain_policies SET policy = json_set(policy, '$.steps[0].step', 'gone') WHERE domain_id = ?`,
    )
      .bind(here.id)
      .run()
    expectStatus(await administer('PATCH', `/${here.slug}`, { suspended: false }), 200)
    const job = await stored('abc', here)
    expect(await work(job)).toBe('retry')
    expect(await show(job.id, here)).toMatchObject({ status: 'pending', failure: { code: 'attempt-failed' } })
  })

  test('may have a step twice, each with options of its own', async () => {
    const here = await makeDomainWith({
      steps: [{ step: 'try' }, { step: 'try', as: 'again', options: { times: 3 } }],
    })
    run = async ({ options, name }) => result({ name, times: options.times })
    const job = await stored('abc', here)
    expect(await work(job)).toBe('complete')
    expect((await show(job.id, here)).steps).toMatchObject([
      { name: 'try', status: 'complete', result: { name: 'try', times: 1 } },
      { name: 'again', status: 'complete', result: { name: 'again', times: 3 } },
    ])
  })
})

test('a file that no step is for passes it by', async () => {
  run = () => Promise.reject(new Error('never run'))
  const job = await stored(Uint8Array.from(atob('R0lGODlhAQABAAAAACw='), (letter) => letter.charCodeAt(0)))
  expect(await work(job)).toBe('complete')
  expect((await show(job.id)).steps).toEqual([])
})

describe('a verdict', () => {
  const verdict = (kind: 'failed' | 'quarantined'): StepOutcome => ({
    kind: 'verdict',
    verdict: kind,
    code: 'too-odd',
    detail: 'This is odd.',
  })

  test.each(['failed', 'quarantined'] as const)('%s ends the file’s way, and nothing of it is served', async (kind) => {
    run = async ({ writeVariant }) => {
      await writeVariant({ name: 'small', type: 'image/png' }, new Uint8Array(9))
      return verdict(kind)
    }
    const job = await stored()
    expect(await work(job)).toBe(kind)
    expect(await show(job.id)).toMatchObject({
      status: kind,
      failure: { code: 'too-odd', detail: 'This is odd.' },
      steps: [{ status: 'refused', attempt: 1, result: { code: 'too-odd' } }],
    })
    expect((await rowOf(job.id)).events).toEqual(['pending', 'processing', kind])
    expectProblem(
      await call('GET', `${domain.origin}/v1/uploads/${job.id}/content`, { ...asAdmin, send }),
      409,
      'not-ready',
    )
    expect(await work({ ...job, publish: 2 })).toBe('nothing-to-do')
  })

  test('quarantined leaves the content shut while the file is processed again, even where it is served early', async () => {
    const here = await makeDomainWith({ steps: [{ step: 'try' }], readBeforeComplete: true })
    run = async () => verdict('quarantined')
    const job = await stored('abc', here)
    const content = () => call('GET', `${here.origin}/v1/uploads/${job.id}/content`, { ...asAdmin, send })
    expectStatus(await content(), 200)
    expect(await work(job)).toBe('quarantined')
    expectProblem(await content(), 409, 'not-ready')
    expectStatus(await call('POST', `${here.origin}/v1/uploads/${job.id}/reprocess`, { ...asAdmin, send }), 202)
    expectProblem(await content(), 409, 'not-ready')
    run = async () => result()
    expect(await work(queue.take()[0]!)).toBe('complete')
    expectStatus(await content(), 200)
  })
  test('quarantined stands until the same step has found the file good, also where the policy has lost it', async () => {
    const here = await makeDomainWith({ steps: [{ step: 'try' }] })
    run = async () => verdict('quarantined')
    const job = await stored('abc', here)
    const again = async () => {
      expectStatus(await call('POST', `${here.origin}/v1/uploads/${job.id}/reprocess`, { ...asAdmin, send }), 202)
      return work(queue.take()[0]!)
    }
    expect(await work(job)).toBe('quarantined')
    run = async () => result()
    for (const steps of [[], [{ step: 'try', as: 'another' }]]) {
      expectStatus(await administer('PATCH', `/${here.slug}`, { policy: { steps } }), 200)
      expect(await again()).toBe('quarantined')
    }
    expect(await show(job.id, here)).toMatchObject({ generation: 3, failure: { code: 'too-odd' } })
    expectStatus(await administer('PATCH', `/${here.slug}`, { policy: { steps: [{ step: 'try' }] } }), 200)
    expect(await again()).toBe('complete')
    expect(await again()).toBe('complete')
  })
})

describe('a step that could not tell', () => {
  test('is run again, as often as there are attempts', async () => {
    run = async () => ({ kind: 'retry', detail: 'the scanner is down' })
    let job: Job | undefined = await stored()
    for (let attempt = 1; attempt < maxAttempts; attempt++) {
      expect(await work(job!)).toBe('retry')
      clock += 60 * minute
      await sweep()
      job = queue.take().at(-1)
      expect(job).toBeDefined()
    }
    expect(await work(job!)).toBe('failed')
    expect(await show(job!.id)).toMatchObject({ failure: { code: 'attempts-exhausted' }, attempts: maxAttempts })
  })
})

describe('a step with more to do than one job should', () => {
  test('goes on from what it has left, and uses no attempt up, however often', async () => {
    run = async ({ state }) => {
      const done = (state as number | null) ?? 0
      clock += 100
      return done < 20 ? { kind: 'continue', state: done + 1 } : result({ done })
    }
    const first = await stored()
    let job = first
    for (let turn = 0; turn < 20; turn++) {
      expect(await work(job)).toBe('paused')
      const [next] = queue.take()
      expect(next).toMatchObject({ id: first.id, generation: 1, publish: job.publish + 1 })
      job = next!
    }
    expect(await stepOf(first.id)).toMatchObject({ status: 'running', result: null })
    expect(await work(job)).toBe('complete')
    expect(await show(first.id)).toMatchObject({
      attempts: 1,
      steps: [{ status: 'complete', attempt: 1, durationMs: 2100, result: { done: 20 } }],
    })
    expect((await rowOf(first.id)).events).toEqual(['pending', 'processing', 'complete'])
  })

  test('goes on though its next job was lost', async () => {
    run = async ({ state }) => (state === null ? { kind: 'continue', state: 1 } : result())
    const job = await stored()
    expect(await work(job)).toBe('paused')
    queue.take()
    clock += 2 * minute
    await sweep()
    const [again] = queue.take()
    expect(again).toMatchObject({ id: job.id })
    expect(await work(again!)).toBe('complete')
  })

  test('uses an attempt up when its worker dies in a later job', async () => {
    run = async ({ state }) => (state === null ? { kind: 'continue', state: 1 } : Promise.reject(new Error('gone')))
    const job = await stored()
    expect(await work(job)).toBe('paused')
    expect(await work(queue.take()[0]!)).toBe('retry')
    clock += minute
    run = async ({ state }) => result({ state })
    expect(await work(queue.take()[0]!)).toBe('complete')
    expect(await show(job.id)).toMatchObject({ attempts: 2, steps: [{ result: { state: 1 } }] })
  })

  test('two deliveries of its next job: one goes on', async () => {
    let runs = 0
    run = async ({ state }) => (state === null ? { kind: 'continue', state: 1 } : result({ run: ++runs }))
    const job = await stored()
    await work(job)
    const [next] = queue.take()
    const outcomes = await Promise.all([work(next!), work(next!), work(job)])
    expect(outcomes.sort()).toEqual(['complete', 'nothing-to-do', 'nothing-to-do'])
    expect(runs).toBe(1)
  })
})

describe('a step that waits for an answer', () => {
  const until = () => clock + 30 * minute
  const waits: typeof run = async ({ state, answer }) =>
    state === null ? { kind: 'wait', state: { asked: true }, until: until() } : result({ answer })
  const stepRef = ({ id, generation }: Job, attempt = 1) => ({
    domainId: domain.id,
    id,
    generation,
    attempt,
    step: 'try',
  })

  test('holds no lease meanwhile, and goes on when it comes', async () => {
    run = waits
    const job = await stored()
    expect(await work(job)).toBe('paused')
    expect(queue.take()).toEqual([])
    expect(await show(job.id)).toMatchObject({ status: 'processing', steps: [{ status: 'waiting', result: null }] })
    clock += 10 * minute
    await sweep()
    expect(queue.take()).toEqual([])
    expect(await work(job)).toBe('nothing-to-do')
    await answerStep(parts(), stepRef(job), { words: 7 })
    const [next] = queue.take()
    expect(await work(next!)).toBe('complete')
    expect(await show(job.id)).toMatchObject({ attempts: 1, steps: [{ result: { answer: { words: 7 } } }] })
  })

  test('finds an answer that came before it waited', async () => {
    run = async (context) => {
      if (context.state === null) await answerStep(parts(), stepRef(job), { quick: true })
      return waits(context)
    }
    const job = await stored()
    expect(await work(job)).toBe('paused')
    expect(await work(queue.take()[0]!)).toBe('complete')
    expect(await stepOf(job.id)).toMatchObject({ result: { answer: { quick: true } } })
  })

  test('runs without one when its time is over', async () => {
    run = waits
    const job = await stored()
    await work(job)
    clock += 31 * minute
    await sweep()
    expect(await work(queue.take()[0]!)).toBe('complete')
    expect(await stepOf(job.id)).toMatchObject({ result: { answer: null } })
  })

  test.each<[string, (job: Job) => Promise<unknown>]>([
    ['has its answer', (job) => answerStep(parts(), stepRef(job), 1)],
    [
      'has ended',
      async (job) => {
        await answerStep(parts(), stepRef(job), 1)
        await work(queue.take()[0]!)
      },
    ],
    ['is of a deleted file', (job) => call('DELETE', `${domain.origin}/v1/uploads/${job.id}`, { ...asAdmin, send })],
  ])('takes no other where it %s', async (_name, before) => {
    run = waits
    const job = await stored()
    await work(job)
    await before(job)
    await expect(answerStep(parts(), stepRef(job), 2)).rejects.toMatchObject({ code: 'status-conflict' })
  })

  const asAnother = async (job: Job) => {
    expect(await work(job)).toBe('retry')
    clock += minute
    return queue.take().at(-1)!
  }

  test.each<[string, () => Promise<StepOutcome>]>([
    ['that makes it retry', async () => ({ kind: 'retry', detail: 'the model is loading' })],
    ['that it fails at', () => Promise.reject(new Error('of no use'))],
  ])('has an answer %s used up with its state, and asks anew', async (_name, fail) => {
    const given: unknown[] = []
    run = async (context) => {
      given.push([context.state, context.answer])
      return context.answer === 'busy' ? fail() : waits(context)
    }
    const job = await stored()
    expect(await work(job)).toBe('paused')
    await answerStep(parts(), stepRef(job), 'busy')
    const next = await asAnother(queue.take()[0]!)
    // The sender repeats it, since he did not hear that it had come: before it is asked anew, and after.
    await expect(answerStep(parts(), stepRef(job), 'busy')).rejects.toMatchObject({ code: 'status-conflict' })
    expect(await work(next)).toBe('paused')
    expect(await stepOf(job.id)).toMatchObject({ status: 'waiting', attempt: 2 })
    await expect(answerStep(parts(), stepRef(job), 'busy')).rejects.toMatchObject({ code: 'status-conflict' })
    await answerStep(parts(), stepRef(job, 2), 'ready')
    expect(await work(queue.take()[0]!)).toBe('complete')
    expect(given).toEqual([
      [null, null],
      [{ asked: true }, 'busy'],
      [null, null],
      [{ asked: true }, 'ready'],
    ])
    expect(await show(job.id)).toMatchObject({ attempts: 2, steps: [{ result: { answer: 'ready' } }] })
  })

  test.each(['continue', 'wait'] as const)('is given an answer once when it goes on with %s', async (kind) => {
    const given: unknown[] = []
    run = async ({ answer }) => {
      given.push(answer)
      if (given.length === 1) return { kind: 'wait', state: 1, until: until() }
      return given.length === 2 ? { kind, state: 2, until: until() } : result()
    }
    const job = await stored()
    expect(await work(job)).toBe('paused')
    await answerStep(parts(), stepRef(job), 'first')
    expect(await work(queue.take()[0]!)).toBe('paused')
    if (kind === 'wait') {
      expect(queue.take()).toEqual([])
      await answerStep(parts(), stepRef(job), 'second')
    }
    expect(await work(queue.take()[0]!)).toBe('complete')
    expect(given).toEqual([null, 'first', kind === 'wait' ? 'second' : null])
  })

  test('finds an answer that came while it failed to ask', async () => {
    let asked = 0
    run = async ({ answer }) => {
      if (answer !== null) return result({ answer })
      asked++
      await answerStep(parts(), stepRef(job), 'quick')
      return { kind: 'retry', detail: 'the connection was cut' }
    }
    const job = await stored()
    expect(await work(await asAnother(job))).toBe('complete')
    expect(asked).toBe(1)
  })

  test('takes none for another domain, generation or attempt', async () => {
    run = waits
    const job = await stored()
    await work(job)
    const other = await makeDomain()
    for (const wrong of [{ domainId: other.id }, { generation: 2 }, { attempt: 2 }, { id: crypto.randomUUID() }]) {
      await expect(answerStep(parts(), { ...stepRef(job), ...wrong }, 2)).rejects.toMatchObject({
        code: 'status-conflict',
      })
    }
  })

  test.each(['before', 'after'] as const)('is not lost when the database fails %s it is let go', async (when) => {
    run = waits
    const job = await stored()
    let isBroken = true
    const DB = faultyD1(env.DB, (sql) => {
      if (!isBroken || !/"lease_expires_at" = \?, "publish_count"/.test(sql)) return undefined
      isBroken = false
      return when
    })
    expect(await work(job, { DB })).toBe('retry')
    expect(isBroken).toBe(false)
    await answerStep(parts(), stepRef(job), 'late')
    for (let turn = 0; turn < 5; turn++) {
      for (const next of queue.take()) await work(next)
      clock += 3 * minute
      await sweep()
    }
    expect(await show(job.id)).toMatchObject({ status: 'complete', steps: [{ result: { answer: 'late' } }] })
  })
})

describe('a variant', () => {
  const picture: typeof run = async ({ writeVariant, file }) => {
    await writeVariant({ name: 'small', type: 'image/png', width: 2, height: 1 }, new Uint8Array([file.generation]))
    return result()
  }
  const variantsOf = (id: string) =>
    allRows<{ name: string; object_key: string; size: number }>('SELECT * FROM file_variants WHERE file_id = ?', id)

  test('is shown once its step has ended, and lies beside its file', async () => {
    run = async (context) => {
      await picture(context)
      expect(await variantsOf(job.id)).toEqual([])
      return result()
    }
    const job = await stored()
    expect(await work(job)).toBe('complete')
    expect(await variantsOf(job.id)).toMatchObject([
      {
        name: 'small',
        type: 'image/png',
        width: 2,
        height: 1,
        size: 1,
        object_key: `${job.id}/${domain.id}/1.1/small`,
      },
    ])
    expect(await keysOf(job.id)).toHaveLength(2)
  })

  test('of an earlier generation gives way to the next one’s', async () => {
    run = picture
    const job = await stored()
    await work(job)
    await call('POST', `${domain.origin}/v1/uploads/${job.id}/reprocess`, { ...asAdmin, send })
    await work(queue.take()[0]!)
    const [variant] = await variantsOf(job.id)
    expect(variant?.object_key).toMatch(/\/2\.2\/small$/)
    expect(await keysOf(job.id)).toEqual([`${job.id}/${domain.id}`, variant!.object_key])
  })

  test('of a worker that has lost its lease is never shown', async () => {
    const job = await stored()
    run = async (context) => {
      clock += 10 * minute
      await sweep()
      await picture(context)
      return result()
    }
    expect(await work(job)).toBe('nothing-to-do')
    expect(await variantsOf(job.id)).toEqual([])
  })

  test('goes with its file, those that were never shown included', async () => {
    run = async (context) => {
      await picture(context)
      throw new Error('the worker dies')
    }
    const job = await stored()
    await work(job)
    clock += minute
    run = picture
    await work(queue.take()[0]!)
    expect(await keysOf(job.id)).toHaveLength(3)
    expectStatus(await call('DELETE', `${domain.origin}/v1/uploads/${job.id}`, { ...asAdmin, send }), 204)
    expect(await keysOf(job.id)).toEqual([])
  })

  test('is no orphan; what lies under a finished file and is not shown is one', async () => {
    run = picture
    const job = await stored()
    await work(job)
    const stray = `${job.id}/${domain.id}/1.9/small`
    await env.BUCKET.put(stray, 'x')
    clock += 25 * 60 * minute
    for (let page = 0; page < 5; page++) await sweep()
    expect(await keysOf(job.id)).toEqual([`${job.id}/${domain.id}`, `${job.id}/${domain.id}/1.1/small`])
  })
})

test('how far a step is can be seen while it works', async () => {
  const seen: unknown[] = []
  run = async ({ progress }) => {
    progress(0.1)
    clock += 3000
    progress(0.5)
    await expect.poll(async () => (await stepOf(job.id)).progress).toBe(0.5)
    const status = await call('GET', `${domain.origin}/v1/uploads/${job.id}/status`, { ...asAdmin, send })
    seen.push(...status.json.steps)
    return result()
  }
  const job = await stored()
  expect(await work(job)).toBe('complete')
  expect(seen).toEqual([{ name: 'try', status: 'running', progress: 0.5 }])
})
