import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Job } from '../../src/core/job.ts'
import { RedisJobQueue } from '../../src/queue/redis.ts'
import {
  addEnvelopes,
  ageTaken,
  countJobs,
  delayedJobs,
  destroyGroup,
  emptyStream,
  endDelays,
  fillStream,
  noJobs,
  takeAndDie,
  waitingEnvelopes,
} from '../redis/jobs-in-redis.ts'
import { redisMissing } from '../redis/redis-server.ts'
import { startUpstashRedis, type UpstashRedis } from '../redis/upstash-redis.ts'
import { noise, randomFrom } from '../support/e2e/bodies.ts'
import { expectStatus, makeDomain, rowOf, type TestDomain } from '../support/e2e/domains.ts'
import { eventually } from '../support/e2e/eventually.ts'
import { adminToken, type LocalWorker, startLocalWorker } from '../support/e2e/local-worker.ts'

if (redisMissing) console.warn(`Left out, all tests that need a Redis: ${redisMissing}`)

const admin = { authorization: `Bearer ${adminToken}` }
const completeOnce = ['pending', 'processing', 'complete']

describe.skipIf(redisMissing)('jobs in Redis', () => {
  let redis: UpstashRedis
  let worker: LocalWorker
  let domain: TestDomain

  beforeAll(async () => {
    redis = await startUpstashRedis()
    worker = await startLocalWorker(redis.vars)
    domain = await makeDomain(worker)
  })

  afterAll(async () => {
    await worker?.stop()
    await redis?.stop()
  })

  // Each test ends with an empty Redis: what it published has been acknowledged, wherever it had got stuck.
  afterEach(async () => {
    try {
      await eventually(async () => expect(await countJobs(redis)).toEqual(noJobs), 5_000)
    } finally {
      redis.bridge.heal()
      await redis.bridge.quiet()
      await redis.send('FLUSHALL')
    }
  })

  /** Uploads a file and gives its id. */
  async function upload(body: Uint8Array | string = 'a file', to = domain): Promise<string> {
    const answer = await worker.call('PUT', '/v1/uploads/a.bin', { host: to.host, body })
    expectStatus(answer, 202)
    return answer.json().id
  }

  /** Uploads files while the drains that follow each publish cannot take anything. */
  async function uploadAndKeep(count: number, to = [domain]): Promise<string[]> {
    redis.bridge.failNext(Number.POSITIVE_INFINITY, 'error-before', 'XREADGROUP')
    const drainsBefore = worker.logged('drain-failed').length
    const ids: string[] = []
    while (ids.length < count) ids.push(await upload(`file ${ids.length}`, to[ids.length % to.length]))
    await eventually(() => expect(worker.logged('drain-failed').length).toBe(drainsBefore + count))
    redis.bridge.heal()
    return ids
  }

  const untilComplete = (id: string) =>
    eventually(async () => {
      const row = await rowOf(worker, id)
      expect(row.status).toBe('complete')
      return row
    })

  const makeDue = (ids: readonly string[]) =>
    worker.env.DB.batch(
      ids.map((id) => worker.env.DB.prepare('UPDATE uploaded_files SET next_publish_at = 1 WHERE id = ?').bind(id)),
    )

  /** Lets every lease of a file fail, as if its row could not be reached. Returns a function that mends it. */
  async function breakRow(id: string): Promise<() => Promise<unknown>> {
    await worker.env.DB.prepare(
      `CREATE TRIGGER broken_row BEFORE UPDATE ON uploaded_files
       WHEN OLD.id = '${id}' AND NEW.status = 'processing' BEGIN SELECT RAISE(ABORT, '42'); END`,
    ).run()
    return () => worker.env.DB.prepare('DROP TRIGGER broken_row').run()
  }

  describe('a drain', () => {
    it('follows a publish at once, and leaves nothing in Redis', async () => {
      const row = await untilComplete(await upload())
      expect(row).toMatchObject({ attempts: 1, publish_count: 1, events: completeOnce })
    })

    it('of every minute takes what is left', async () => {
      const [id] = (await uploadAndKeep(1)) as [string]
      expect(await countJobs(redis)).toEqual({ ...noJobs, short: 1 })
      expect((await rowOf(worker, id)).status).toBe('pending')
      await worker.runSchedule()
      expect(await rowOf(worker, id)).toMatchObject({ status: 'complete', publish_count: 1 })
    })

    it('leaves files of 32 MB and more to the one of every minute', async () => {
      const long = await upload(noise(32 * 1024 * 1024))
      const short = await upload(noise(32 * 1024 * 1024 - 1))
      await untilComplete(short)
      expect(await countJobs(redis)).toEqual({ ...noJobs, long: 1 })
      expect((await rowOf(worker, long)).status).toBe('pending')
      await worker.runSchedule()
      expect(await rowOf(worker, long)).toMatchObject({ status: 'complete', publish_count: 1 })
    })

    it('acknowledges what is no job', async () => {
      await addEnvelopes(redis, ['no json', '{}', '[]', '17', '{"job":{"id":"x"},"tries":0}', '{"job":null,"tries":0}'])
      const before = worker.logged('job-not-understood').length
      await worker.runSchedule()
      expect(worker.logged('job-not-understood').length).toBe(before + 6)
    })

    it('asks Redis a few times a batch and not a few times a job', async () => {
      // The first drain ever makes the groups.
      await worker.runSchedule()
      await uploadAndKeep(30)
      const before = redis.bridge.requests.length
      await worker.runSchedule()
      // Three batches of two requests; two for each stream to find that there is nothing left; one for the dead.
      expect(redis.bridge.requests.length - before).toBe(3 * 2 + 2 * 2 + 1)
    })
  })

  describe('a consumer that died', () => {
    it('is replaced after five minutes and not before', async () => {
      const [id] = (await uploadAndKeep(1)) as [string]
      await takeAndDie(redis)
      await ageTaken(redis, 240_000)
      await worker.runSchedule()
      expect((await rowOf(worker, id)).status).toBe('pending')
      await ageTaken(redis, 300_000)
      await worker.runSchedule()
      expect(await rowOf(worker, id)).toMatchObject({ status: 'complete', publish_count: 1, events: completeOnce })
    })

    it('is replaced when many entries before it are in good hands', async () => {
      const ids = await uploadAndKeep(1)
      const stuck = await takeAndDie(redis)
      const [own] = (await redis.send('XRANGE', 'stevedore:jobs:short', stuck, stuck)) as [[string, [string, string]]]
      await emptyStream(redis)
      await redis.send('XACK', 'stevedore:jobs:short', 'stevedore', stuck)
      // More than XAUTOCLAIM looks at in one call.
      await addEnvelopes(redis, Array(150).fill('{}'))
      await addEnvelopes(redis, [own[1][1]])
      await redis.send('XREADGROUP', 'GROUP', 'stevedore', 'worker', 'STREAMS', 'stevedore:jobs:short', '>')
      const pending = (await redis.send('XPENDING', 'stevedore:jobs:short', 'stevedore', '-', '+', 1_000)) as string[][]
      const last = pending.at(-1)?.[0] ?? ''
      await redis.send('XCLAIM', 'stevedore:jobs:short', 'stevedore', 'worker', 0, last, 'IDLE', 300_000, 'JUSTID')
      await worker.runSchedule()
      expect((await rowOf(worker, ids[0]!)).status).toBe('complete')
      expect(await countJobs(redis)).toEqual({ ...noJobs, short: 150, taken: 150 })
      await redis.send('DEL', 'stevedore:jobs:short')
    })

    it('whose entry was trimmed away meanwhile is forgotten', async () => {
      const ids = await uploadAndKeep(1)
      await takeAndDie(redis)
      await emptyStream(redis)
      await ageTaken(redis, 300_000).catch(() => undefined)
      await worker.runSchedule()
      expect((await rowOf(worker, ids[0]!)).status).toBe('pending')
      await makeDue(ids)
      await worker.runSchedule()
      await untilComplete(ids[0]!)
      await redis.send('DEL', 'stevedore:jobs:short')
    })
  })

  describe('a job that cannot be run', () => {
    it('is tried again later, and given up after the fifth time; sent again, it completes', async () => {
      const [id] = (await uploadAndKeep(1)) as [string]
      const mend = await breakRow(id)
      for (const [index, delayMs] of [20_000, 40_000, 80_000, 160_000].entries()) {
        const start = Date.now()
        await worker.runSchedule()
        expect(await countJobs(redis)).toEqual({ ...noJobs, delayed: 1 })
        const [delayed] = await delayedJobs(redis)
        expect(delayed).toMatchObject({ tries: index + 1, job: { id } })
        expect(delayed!.dueAt - start).toBeGreaterThanOrEqual(delayMs)
        expect(delayed!.dueAt - start).toBeLessThan(delayMs + 10_000)
        // Not due yet: nothing happens.
        await worker.runSchedule()
        expect((await delayedJobs(redis))[0]).toEqual(delayed)
        await endDelays(redis)
      }
      await worker.runSchedule()
      const letters = await worker.call('GET', '/v1/admin/dead-letters', { headers: admin })
      const letter = letters.json().deadLetters.find(({ rowId }: { rowId: string }) => rowId === id)
      expect(letter).toMatchObject({ domainId: domain.id, generation: 1, publish: 1, reason: expect.any(String) })
      expect(await countJobs(redis)).toEqual(noJobs)
      await mend()
      const retried = await worker.call('POST', `/v1/admin/dead-letters/${letter.id}/retry`, { headers: admin })
      expectStatus(retried, 202)
      expect(retried.json().published).toBe(true)
      expect(await untilComplete(id)).toMatchObject({ attempts: 1, publish_count: 2, events: completeOnce })
    })

    it('stays a dead entry until it could be noted', async () => {
      const [id] = (await uploadAndKeep(1)) as [string]
      const [envelope] = (await waitingEnvelopes(redis)) as [string]
      await emptyStream(redis)
      await redis.send('XADD', 'stevedore:jobs:dead', '*', 'envelope', '{"job":{},"tries":5,"reason":"no job"}')
      const given = { ...JSON.parse(envelope), tries: 5, reason: '{"looks":"like JSON"}' }
      await redis.send('XADD', 'stevedore:jobs:dead', '*', 'envelope', JSON.stringify(given))
      await worker.env.DB.exec('ALTER TABLE dead_letters RENAME TO hidden_letters')
      await worker.runSchedule()
      expect(await countJobs(redis)).toEqual({ ...noJobs, dead: 1 })
      await worker.env.DB.exec('ALTER TABLE hidden_letters RENAME TO dead_letters')
      await worker.runSchedule()
      const letter = await worker.env.DB.prepare('SELECT reason FROM dead_letters WHERE row_id = ?').bind(id).first()
      expect(letter).toEqual({ reason: '{"looks":"like JSON"}' })
      // It is due again without anybody's help.
      await worker.runSchedule()
      expect(await untilComplete(id)).toMatchObject({ publish_count: 2 })
    })

    it('does not keep the others of its batch', async () => {
      const ids = await uploadAndKeep(5)
      const mend = await breakRow(ids[0]!)
      await worker.runSchedule()
      for (const id of ids.slice(1)) expect((await rowOf(worker, id)).status).toBe('complete')
      await mend()
      await endDelays(redis)
      await worker.runSchedule()
      expect((await rowOf(worker, ids[0]!)).status).toBe('complete')
    })
  })

  describe('what Redis loses comes back by its row', () => {
    it.each([
      ['everything', (it: UpstashRedis) => it.send('FLUSHALL')],
      ['the group', destroyGroup],
    ])('%s, between publish and drain', async (_what, lose) => {
      await worker.runSchedule()
      const ids = await uploadAndKeep(3)
      await lose(redis)
      await makeDue(ids)
      await worker.runSchedule()
      for (const id of ids) {
        expect(await untilComplete(id)).toMatchObject({ attempts: 1, publish_count: 2, events: completeOnce })
      }
    })

    it('everything, in the middle of a drain', async () => {
      const ids = await uploadAndKeep(60)
      const drain = worker.runSchedule()
      await eventually(async () => expect(Number((await countJobs(redis)).short)).toBeLessThan(50))
      await redis.send('FLUSHALL')
      await drain
      const statuses = await Promise.all(ids.map(async (id) => (await rowOf(worker, id)).status))
      expect(statuses).toContain('complete')
      expect(statuses).toContain('pending')
      await makeDue(ids)
      await worker.runSchedule()
      for (const id of ids) expect((await untilComplete(id)).events).toEqual(completeOnce)
    })

    it('the oldest jobs, when there are more than 100,000', async () => {
      redis.bridge.failNext(Number.POSITIVE_INFINITY, 'error-before', 'XREADGROUP')
      await fillStream(redis, 105_000)
      const id = await upload()
      await eventually(async () => expect((await countJobs(redis)).short).toBeLessThan(100_200))
      expect((await countJobs(redis)).short).toBeGreaterThanOrEqual(100_000)
      expect((await redis.send('XREVRANGE', 'stevedore:jobs:short', '+', '-', 'COUNT', 1))?.toString()).toContain(id)
      await emptyStream(redis)
      redis.bridge.heal()
      await makeDue([id])
      await worker.runSchedule()
      await untilComplete(id)
    })
  })

  describe('a request to Redis that goes wrong', () => {
    it.each(['error-before', 'hang'] as const)(
      'publish, %s: the upload is accepted, and its row is due',
      async (fault) => {
        redis.bridge.failNext(1, fault, 'XADD')
        const start = Date.now()
        const id = await upload()
        expect(Date.now() - start).toBeLessThan(15_000)
        expect(await rowOf(worker, id)).toMatchObject({ status: 'pending', publish_count: 1 })
        await makeDue([id])
        await worker.runSchedule()
        expect(await untilComplete(id)).toMatchObject({ publish_count: 2, events: completeOnce })
      },
    )

    it.each(['error-after', 'cut-after'] as const)('publish, %s: the job is found by the next drain', async (fault) => {
      redis.bridge.failNext(1, fault, 'XADD')
      const id = await upload()
      await eventually(async () => expect((await countJobs(redis)).short).toBe(1))
      await worker.runSchedule()
      expect(await rowOf(worker, id)).toMatchObject({ attempts: 1, publish_count: 1, events: completeOnce })
    })

    // Here and not in the Worker, since the local runtime makes an answer of a connection that was cut.
    it('publish on a connection that is cut: it is sent once more, and may be there twice', async () => {
      const { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token } = redis.vars
      const queue = new RedisJobQueue({ url, token }, Date.now)
      const job: Job = { kind: 'process', id: randomUUID(), domainId: domain.id, generation: 1, publish: 1, bytes: 1 }
      redis.bridge.failNext(1, 'cut-after')
      await queue.publish([job])
      expect(await countJobs(redis)).toEqual({ ...noJobs, short: 2 })
      redis.bridge.failNext(2, 'cut-after')
      await expect(queue.publish([job])).rejects.toThrow()
      redis.bridge.failNext(1, 'hang')
      await expect(queue.publish([job])).rejects.toThrow('timeout')
      await worker.runSchedule()
    })

    it.each(['error-after', 'cut-after', 'hang'] as const)(
      'taking, %s: taken over, or published again',
      async (fault) => {
        const ids = await uploadAndKeep(3)
        redis.bridge.failNext(fault === 'cut-after' ? 2 : 1, fault, 'XREADGROUP')
        await worker.runSchedule()
        await makeDue(ids)
        await worker.runSchedule()
        for (const id of ids) expect((await untilComplete(id)).events).toEqual(completeOnce)
        await ageTaken(redis, 300_000)
        await worker.runSchedule()
        for (const id of ids) expect(await rowOf(worker, id)).toMatchObject({ attempts: 1, events: completeOnce })
      },
    )

    it.each(['error-before', 'error-after', 'hang'] as const)(
      'acknowledging, %s: done once all the same',
      async (fault) => {
        const ids = await uploadAndKeep(3)
        redis.bridge.failNext(1, fault, 'XACK')
        await worker.runSchedule()
        for (const id of ids) expect((await rowOf(worker, id)).status).toBe('complete')
        await ageTaken(redis, 300_000)
        await worker.runSchedule()
        for (const id of ids) expect(await rowOf(worker, id)).toMatchObject({ attempts: 1, events: completeOnce })
      },
    )

    it('handing over the dead, error-before: noted twice, and one letter', async () => {
      const [id] = (await uploadAndKeep(1)) as [string]
      const [envelope] = (await waitingEnvelopes(redis)) as [string]
      await emptyStream(redis)
      await redis.send('XADD', 'stevedore:jobs:dead', '*', 'envelope', envelope)
      redis.bridge.failNext(1, 'error-before', 'XDEL')
      const before = worker.logged('job-given-up').length
      await worker.runSchedule()
      expect((await countJobs(redis)).dead).toBe(1)
      await worker.runSchedule()
      expect(worker.logged('job-given-up').length).toBe(before + 2)
      const { results } = await worker.env.DB.prepare('SELECT id FROM dead_letters WHERE row_id = ?').bind(id).all()
      expect(results).toHaveLength(1)
      await worker.runSchedule()
      await untilComplete(id)
    })
  })

  it('several drains at once, each job delivered 1 to 5 times out of order: work is done once', async () => {
    const random = randomFrom(4)
    const domains = await Promise.all(Array.from({ length: 5 }, () => makeDomain(worker)))
    const ids = await uploadAndKeep(60, domains)
    const envelopes = await waitingEnvelopes(redis)
    expect(envelopes).toHaveLength(60)
    await emptyStream(redis)
    const copies = envelopes.flatMap((envelope) => Array<string>(1 + Math.floor(random() * 5)).fill(envelope))
    const shuffled = copies.map((envelope) => ({ envelope, at: random() })).sort((a, b) => a.at - b.at)
    await addEnvelopes(
      redis,
      shuffled.map(({ envelope }) => envelope),
    )
    const before = worker.logged('job-done').length
    await Promise.all(Array.from({ length: 5 }, () => worker.runSchedule()))
    await eventually(() => expect(worker.logged('job-done').length - before).toBeGreaterThanOrEqual(copies.length))
    for (const id of ids) {
      expect(await untilComplete(id)).toMatchObject({ attempts: 1, events: completeOnce })
      const { results } = await worker.env.DB.prepare('SELECT step FROM step_runs WHERE file_id = ?').bind(id).all()
      expect(results).toEqual([{ step: 'inspect' }])
    }
  })
})
