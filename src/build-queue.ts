import { maxRunningPerDomain } from './core/backoff.ts'
import type { JobQueue, Meter } from './core/ports.ts'
import type { Env } from './env.ts'
import { CloudflareJobQueue } from './queue/cloudflare.ts'
import { coalesce } from './queue/coalesce.ts'
import { measuredQueue } from './queue/measured.ts'
import { failedJobUrl, jobUrl, QStashJobQueue, qstashVerifier } from './queue/qstash.ts'
import { type DrainOptions, RedisJobQueue } from './queue/redis.ts'
import { noteDeadJob, type RunJobParts, runJob } from './services/run-job.ts'

/** The queue that the environment names, and how its jobs come back. */
export interface BuiltQueue {
  queue: JobQueue
  /** Runs the jobs that wait in a queue which calls nobody; null when the queue delivers by itself. */
  drainQueue: (() => Promise<unknown>) | null
  /** The most files of one domain at once; null where the queue sees to that. */
  maxRunning: number | null
}

/** What jobs that are drained here work with, besides the queue itself. */
interface QueueParts extends Omit<RunJobParts, keyof BuiltQueue> {
  env: Env
}

interface QueueSurroundings {
  meter: Meter
  /** Lets a promise outlive the answer, of which it is no part. */
  outlive(promise: Promise<unknown>): void
}

/** QStash when its token is set, else Redis when its URL is, else Cloudflare Queues. */
export function buildQueue(parts: QueueParts, surroundings: QueueSurroundings): BuiltQueue {
  const { meter } = surroundings
  const { QSTASH_TOKEN, QSTASH_URL, CALLBACK_URL, UPSTASH_REDIS_REST_URL, UPSTASH_REDIS_REST_TOKEN, JOBS } = parts.env
  if (QSTASH_TOKEN && CALLBACK_URL) {
    const queue = new QStashJobQueue({ token: QSTASH_TOKEN, baseUrl: QSTASH_URL, callbackUrl: CALLBACK_URL })
    return { queue: measuredQueue(queue, meter), drainQueue: null, maxRunning: null }
  }
  if (UPSTASH_REDIS_REST_URL && UPSTASH_REDIS_REST_TOKEN) {
    const redis = { url: UPSTASH_REDIS_REST_URL, token: UPSTASH_REDIS_REST_TOKEN }
    return drainedQueue(parts, new RedisJobQueue(redis, parts.now), surroundings)
  }
  const queue = new CloudflareJobQueue(JOBS as NonNullable<Env['JOBS']>)
  return { queue: measuredQueue(queue, meter), drainQueue: null, maxRunning: maxRunningPerDomain }
}

/**
 * Redis calls nobody: it is drained after each publish, and by the scheduled handler. What drains after a publish is other
 * work than what has published, whose line in the log is not to wait for it.
 */
function drainedQueue(deps: QueueParts, redis: RedisJobQueue, { meter, outlive }: QueueSurroundings): BuiltQueue {
  const measured = measuredQueue(redis, meter)
  const queue: JobQueue = {
    publish: async (jobs, options) => {
      await measured.publish(jobs, options)
      if (!options?.delaySeconds) outlive(drainSoon())
    },
  }
  const parts = { ...deps, queue, maxRunning: maxRunningPerDomain }
  const orLog = (work: Promise<unknown>) => work.catch((error) => deps.log('warn', 'drain-failed', { error }))
  const drain = (bounds: Pick<DrainOptions, 'streams' | 'until' | 'maxJobs'>) =>
    orLog(redis.drain({ ...bounds, run: (message) => runJob(parts, message) }))
  // What outlives the answer is ended 30 s after it: only short jobs, and nothing new in the second half, also not for
  // what those jobs publish themselves.
  let until: number | undefined
  const drainSoon = coalesce(() => {
    until ??= deps.now() + 15_000
    return drain({ streams: ['short'], until, maxJobs: 100 })
  })
  const drainQueue = async () => {
    await drain({ streams: ['short', 'long'], until: deps.now() + 50_000, maxJobs: 1_000 })
    await orLog(redis.handOverDead((message, reason) => noteDeadJob(parts, message, reason)))
  }
  return { queue, drainQueue, maxRunning: maxRunningPerDomain }
}

/** Checks what QStash delivers: which URLs it may be delivered to, and the signature for each. */
export interface CallbackGuard {
  host: string
  jobUrl: string
  failedJobUrl: string
  verify(signature: string | undefined, body: string, url: string): Promise<boolean>
}

/** Null unless QStash is the queue. */
export function buildCallbacks(env: Env): CallbackGuard | null {
  const { QSTASH_TOKEN, CALLBACK_URL, QSTASH_CURRENT_SIGNING_KEY: current, QSTASH_NEXT_SIGNING_KEY: next } = env
  if (!QSTASH_TOKEN || !CALLBACK_URL || !current || !next) return null
  return {
    host: new URL(CALLBACK_URL).host,
    jobUrl: jobUrl(CALLBACK_URL),
    failedJobUrl: failedJobUrl(CALLBACK_URL),
    verify: qstashVerifier({ current, next }),
  }
}
