import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Job } from '../../src/core/job.ts'
import { coalesce } from '../../src/queue/coalesce.ts'
import { type DrainOptions, RedisJobQueue } from '../../src/queue/redis.ts'
import { countJobs, delayedJobs, endDelays, noJobs } from '../redis/jobs-in-redis.ts'
import { redisMissing } from '../redis/redis-server.ts'
import { startUpstashRedis, type UpstashRedis } from '../redis/upstash-redis.ts'

describe.skipIf(redisMissing)('a drain of Redis', () => {
  let redis: UpstashRedis

  beforeAll(async () => {
    redis = await startUpstashRedis()
  })

  afterEach(async () => {
    redis.bridge.heal()
    await redis.send('FLUSHALL')
  })

  afterAll(async () => {
    await redis?.stop()
  })

  function openQueue(now = Date.now): RedisJobQueue {
    const { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token } = redis.vars
    return new RedisJobQueue({ url, token }, now)
  }

  const everything = { streams: ['short', 'long'], until: Number.POSITIVE_INFINITY, maxJobs: 10_000 } as const

  async function publish(count: number, bytes = 1): Promise<Job[]> {
    const jobs = Array.from({ length: count }, () => makeJob(bytes))
    await openQueue().publish(jobs)
    return jobs
  }

  it('by several Workers at once hands out each job once, and each takes its share', async () => {
    const jobs = await publish(300)
    const shares = await Promise.all(
      Array.from({ length: 5 }, async () => {
        const share: unknown[] = []
        await openQueue().drain({ ...everything, run: async (job) => share.push((job as Job).id) })
        return share
      }),
    )
    expect(shares.flat().sort()).toEqual(jobs.map(({ id }) => id).sort())
    expect(shares.filter((share) => share.length > 0).length).toBeGreaterThan(1)
    expect(await countJobs(redis)).toEqual(noJobs)
  })

  it.each([1, 10, 25])('of at most %i jobs runs no more, of both streams together', async (maxJobs) => {
    await publish(20)
    await publish(20, 2 ** 30)
    let ran = 0
    const run = async () => {
      ran += 1
    }
    expect(await openQueue().drain({ ...everything, maxJobs, run })).toBe(maxJobs)
    expect(ran).toBe(maxJobs)
    const left = await countJobs(redis)
    expect(Number(left.short) + Number(left.long)).toBe(40 - maxJobs)
    expect(left.taken).toBe(0)
  })

  it('takes nothing new when its time is over, and ends what it has', async () => {
    await publish(30)
    let time = 1_000
    const run = async () => {
      time = 2_000
      await sleep(10)
    }
    const queue = openQueue(() => time)
    expect(await queue.drain({ ...everything, until: 1_500, run })).toBe(10)
    expect(await queue.drain({ ...everything, until: 1_500, run })).toBe(0)
    expect(await countJobs(redis)).toEqual({ ...noJobs, short: 20 })
  })

  it('keeps its hands off the stream that it was not given', async () => {
    await publish(1)
    await publish(1, 32 * 1024 * 1024)
    await openQueue().publish([makeJob(2 ** 30)], { delaySeconds: 1 })
    await openQueue(() => Date.now() + 2_000).drain({ ...everything, streams: ['short'], run: async () => {} })
    expect(await countJobs(redis)).toEqual({ ...noJobs, long: 1, delayed: 1 })
  })

  it('lets one stream go on while a job of the other takes long', async () => {
    await publish(1, 2 ** 30)
    await publish(50)
    let short = 0
    const run: DrainOptions['run'] = async (job) => {
      if ((job as Job).bytes === 1) short += 1
      else while (short < 50) await sleep(5)
    }
    expect(await openQueue().drain({ ...everything, run })).toBe(51)
  })

  it('rejects when Redis fails, but only after the jobs that it began have ended', async () => {
    await publish(1)
    await publish(1, 2 ** 30)
    let ended = 0
    const run: DrainOptions['run'] = async (job) => {
      if ((job as Job).bytes > 1) await sleep(300)
      ended += 1
    }
    redis.bridge.failNext(1, 'error-before', 'XACK')
    await expect(openQueue().drain({ ...everything, run })).rejects.toThrow('refused')
    expect(ended).toBe(2)
  })

  it('tries a job again whatever its error looks like, and hands it over as it was', async () => {
    const [job] = await publish(1)
    const errors = ['{"a":1}', '17', 'null', '"quoted"', `${'ü'.repeat(600)}`]
    let time = Date.now()
    for (const message of errors) {
      const run = async () => {
        throw new Error(message)
      }
      expect(await openQueue(() => time).drain({ ...everything, run })).toBe(1)
      time += 3_600_000
    }
    expect(await countJobs(redis)).toEqual({ ...noJobs, dead: 1 })
    const given: unknown[] = []
    await openQueue().handOverDead(async (message, reason) => given.push({ message, reason }))
    expect(given).toEqual([{ message: job, reason: 'ü'.repeat(500) }])
    expect(await countJobs(redis)).toEqual(noJobs)
  })

  it('puts delayed jobs among the others by hundreds, each once, also when several Workers do', async () => {
    const jobs = Array.from({ length: 350 }, () => makeJob(1))
    await openQueue().publish(jobs, { delaySeconds: 600 })
    expect(await delayedJobs(redis)).toHaveLength(350)
    await endDelays(redis)
    const ran: string[] = []
    const run = async (job: unknown) => ran.push((job as Job).id)
    await Promise.all(Array.from({ length: 4 }, () => openQueue().drain({ ...everything, run })))
    expect(ran.sort()).toEqual(jobs.map(({ id }) => id).sort())
  })

  it('keeps no more than about a thousand dead jobs', async () => {
    const jobs = Array.from({ length: 1_500 }, () => JSON.stringify({ job: makeJob(1), tries: 4 }))
    for (const envelope of jobs) void redis.send('XADD', 'stevedore:jobs:short', '*', 'envelope', envelope)
    const run = async () => {
      throw new Error('never')
    }
    await openQueue().drain({ ...everything, run })
    const { dead } = await countJobs(redis)
    expect(dead).toBeGreaterThanOrEqual(1_000)
    expect(dead).toBeLessThan(1_200)
  })

  it('says so when the token is wrong', async () => {
    const queue = new RedisJobQueue({ url: redis.vars.UPSTASH_REDIS_REST_URL, token: 'wrong' }, Date.now)
    await expect(queue.drain({ ...everything, run: async () => {} })).rejects.toThrow('Unauthorized')
    await expect(queue.publish([makeJob(1)])).rejects.toThrow('Unauthorized')
  })
})

describe('coalesce', () => {
  it('runs once at a time, and once more for whoever asked meanwhile', async () => {
    let running = 0
    let runs = 0
    const work = coalesce(async () => {
      running += 1
      expect(running).toBe(1)
      await sleep(20)
      running -= 1
      runs += 1
    })
    const first = work()
    await Promise.all([first, work(), work()])
    expect(runs).toBe(2)
    await work()
    expect(runs).toBe(3)
  })

  it('can run again after it has failed', async () => {
    let runs = 0
    const work = coalesce(async () => {
      runs += 1
      throw new Error('once')
    })
    await expect(work()).rejects.toThrow('once')
    await expect(work()).rejects.toThrow('once')
    expect(runs).toBe(2)
  })
})

function makeJob(bytes: number): Job {
  return { kind: 'process', id: randomUUID(), domainId: randomUUID(), generation: 1, publish: 1, bytes }
}
