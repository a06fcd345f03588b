import { expect } from 'vitest'
import type { Job } from '../../../src/core/job.ts'
import { startQStashServer } from '../../qstash/qstash-server.ts'
import { devCredentials, signDelivery } from '../../qstash/sign-delivery.ts'
import { addEnvelopes, countJobs, noJobs } from '../../redis/jobs-in-redis.ts'
import { redisMissing } from '../../redis/redis-server.ts'
import { startUpstashRedis } from '../../redis/upstash-redis.ts'
import { inParallel } from './cuts.ts'
import { expectStatus } from './domains.ts'
import { eventually } from './eventually.ts'
import { fetchThrough } from './http.ts'
import { type LocalWorker, startLocalWorker } from './local-worker.ts'

/** The Worker on one of its queues, with the deliveries in the hands of the test. */
export interface QueuedWorker {
  worker: LocalWorker
  /** From now on no job is run. */
  hold(): Promise<void>
  /** Resolves once the jobs of this many uploads are held. */
  holds(count: number): Promise<void>
  letGo(): Promise<void>
  /** Has these jobs delivered in this order, as many at once as the queue delivers, beside what it delivers itself. */
  deliver(jobs: readonly Job[]): Promise<void>
  /** Lets go, and turns whatever has to be turned until every job that was held has been run. */
  drain(): Promise<void>
  stop(): Promise<void>
}

/** Hundreds of jobs are waited for here, or thousands; only what never ends takes longer. */
const longestMs = process.env.STEVEDORE_TEST_FULL === '1' ? 600_000 : 120_000

/** The three queues, by their names; `missing` says why one can't be had on this machine. */
export const queues: { name: string; missing?: string | undefined; start(): Promise<QueuedWorker> }[] = [
  { name: 'Cloudflare Queues', start: startOnCloudflare },
  { name: 'QStash', start: startOnQStash },
  { name: 'Redis', missing: redisMissing, start: startOnRedis },
]

/**
 * Cloudflare Queues as wrangler runs them can't be paused: what is held is delivered and comes to nothing, since its row
 * is not due, as if the queue had lost it. Such rows are published by the reconciler, and so is this backlog.
 */
async function startOnCloudflare(): Promise<QueuedWorker> {
  const worker = await startLocalWorker()
  const { DB, JOBS } = worker.env
  const never = Number.MAX_SAFE_INTEGER
  const letGo = async () => {
    await DB.prepare('DROP TRIGGER hold').run()
    await DB.prepare('UPDATE uploaded_files SET next_attempt_at = NULL WHERE next_attempt_at = ?').bind(never).run()
  }
  return {
    worker,
    hold: async () => {
      await DB.prepare(
        `CREATE TRIGGER hold AFTER INSERT ON uploaded_files
         BEGIN UPDATE uploaded_files SET next_attempt_at = ${never} WHERE id = NEW.id; END`,
      ).run()
    },
    holds: (count) =>
      eventually(() => expect(worker.logged('job-done').length).toBeGreaterThanOrEqual(count), longestMs),
    letGo,
    deliver: async (jobs) => {
      for (let sent = 0; sent < jobs.length; sent += 100) {
        await JOBS.sendBatch(jobs.slice(sent, sent + 100).map((body) => ({ body })))
      }
    },
    drain: async () => {
      await letGo()
      await DB.prepare(`UPDATE uploaded_files SET next_publish_at = 1 WHERE status = 'pending'`).run()
      const due = DB.prepare('SELECT count(*) AS count FROM uploaded_files WHERE next_publish_at = 1')
      while (((await due.first<{ count: number }>())?.count ?? 0) > 0) await worker.runSchedule()
      await noneLeft(worker)
    },
    stop: () => worker.stop(),
  }
}

/** QStash holds its messages, and delivers them within the bounds of its flow control. */
async function startOnQStash(): Promise<QueuedWorker> {
  const callbackUrl = 'http://hooks.stevedore.test'
  let worker: LocalWorker | undefined
  const qstash = await startQStashServer({ timeScale: 0.001, fetch: fetchThrough(() => worker?.port ?? 0) })
  const started = await startLocalWorker({
    QSTASH_TOKEN: devCredentials.token,
    QSTASH_URL: qstash.url,
    QSTASH_CURRENT_SIGNING_KEY: devCredentials.currentSigningKey,
    QSTASH_NEXT_SIGNING_KEY: devCredentials.nextSigningKey,
    CALLBACK_URL: callbackUrl,
  })
  worker = started
  const url = `${callbackUrl}/internal/jobs`
  return {
    worker: started,
    hold: async () => qstash.pause(),
    holds: (count) => eventually(() => expect(qstash.waiting).toBe(count)),
    letGo: async () => qstash.resume(),
    deliver: (jobs) =>
      inParallel(jobs, 20, async (job) => {
        const body = JSON.stringify(job)
        const signature = signDelivery({ url, body: Buffer.from(body) }, devCredentials.currentSigningKey, Date.now())
        const answer = await started.call('POST', '/internal/jobs', {
          host: new URL(callbackUrl).host,
          headers: { 'content-type': 'application/json', 'upstash-signature': signature },
          body,
        })
        expectStatus(answer, 200)
      }),
    drain: async () => {
      qstash.resume()
      await qstash.idle(longestMs)
    },
    stop: async () => {
      await started.stop()
      await qstash.close()
    },
  }
}

/** Redis keeps its jobs while nobody can read them; then several schedules drain it at once, as those of several Workers. */
async function startOnRedis(): Promise<QueuedWorker> {
  const redis = await startUpstashRedis()
  const worker = await startLocalWorker(redis.vars)
  const { bridge } = redis
  return {
    worker,
    hold: async () => bridge.failNext(Number.POSITIVE_INFINITY, 'error-before', 'XREADGROUP'),
    holds: (count) => eventually(async () => expect(await countJobs(redis)).toEqual({ ...noJobs, short: count })),
    letGo: async () => bridge.heal(),
    deliver: async (jobs) => {
      await addEnvelopes(
        redis,
        jobs.map((job) => JSON.stringify({ job, tries: 0 })),
      )
      await Promise.all(Array.from({ length: 4 }, () => worker.runSchedule()))
    },
    drain: async () => {
      bridge.heal()
      while (Number((await countJobs(redis)).short) > 0) await worker.runSchedule()
      await noneLeft(worker)
      expect(await countJobs(redis)).toEqual(noJobs)
    },
    stop: async () => {
      await worker.stop()
      await redis.stop()
    },
  }
}

/** Resolves once no file waits for anything. */
function noneLeft({ env }: LocalWorker): Promise<void> {
  const left = env.DB.prepare("SELECT count(*) AS count FROM uploaded_files WHERE status IN ('pending', 'processing')")
  return eventually(async () => expect(await left.first('count')).toBe(0), longestMs)
}
