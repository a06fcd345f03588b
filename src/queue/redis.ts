import { Redis } from '@upstash/redis/cloudflare'
import { maxQueueDelaySeconds } from '../core/backoff.ts'
import type { Job } from '../core/job.ts'
import { withoutParameters } from '../core/log-line.ts'
import type { JobQueue } from '../core/ports.ts'

/** Long jobs have a stream of their own, so that a drain with little time can leave them alone. */
export type StreamName = 'short' | 'long'

/** A file of this size or more is processed only where there is time for it. */
const longFileBytes = 32 * 1024 * 1024

/** The entries of a stream, and those that wait to be: a sorted set by the millisecond in which each is due. */
const keysOf = (name: StreamName) => ({ stream: `stevedore:jobs:${name}`, delayed: `stevedore:jobs:${name}:delayed` })

/** Jobs that could not be run in `maxTries` tries. */
const dead = 'stevedore:jobs:dead'

const group = 'stevedore'
/** One name for all Workers: entries are told apart by their idle time, and no list of dead consumers grows. */
const consumer = 'worker'

/** The cursor with which XAUTOCLAIM begins, and which it returns when it has seen every entry. */
const firstPending = '0-0'

/** Beyond this the oldest entries go; their rows are due again by themselves. */
const maxStreamLength = 100_000
const maxDeadLength = 1_000

/** An entry that was taken and not acknowledged for this long belonged to a consumer that is dead. */
const deadConsumerMs = 300_000
const maxTries = 5
const firstRetrySeconds = 20
const jobsAtOnce = 10
const releasedAtOnce = 100
const deadAtOnce = 100
const maxReasonLength = 500

/** A Redis that does not answer must not keep an upload from being answered. */
const requestTimeoutMs = 5_000

/** Moves what is due to its stream. In one script: neither a crash nor another Worker can come between. */
const releaseScript = `
local due = redis.call('ZRANGE', KEYS[1], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2])
for _, envelope in ipairs(due) do
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', 'envelope', envelope)
  redis.call('ZREM', KEYS[1], envelope)
end
return #due`

export interface DrainOptions {
  /** Which jobs there is time for. */
  streams: readonly StreamName[]
  /** Nothing new is taken after this time, in milliseconds since 1970. */
  until: number
  maxJobs: number
  /** Runs a job; throws when it should be tried again. */
  run(message: unknown): Promise<unknown>
}

/** A job on its way through Redis: how often it was tried, and why it failed the last time. */
interface Envelope {
  job: unknown
  tries: number
  reason?: string
}

interface Entry {
  id: string
  envelope: Envelope
}

/**
 * Jobs in Upstash Redis, for deployments that have one. Redis calls nobody: `drain` takes what is there, a bounded
 * number for a bounded time, and any number of Workers may do so at once. An entry is acknowledged only after its job
 * was run; whatever Redis itself loses is published again when its row is due.
 */
export class RedisJobQueue implements JobQueue {
  readonly #redis: Redis
  readonly #now: () => number

  constructor({ url, token }: { url: string; token: string }, now: () => number) {
    this.#redis = new Redis({
      url,
      token,
      enableTelemetry: false,
      enableAutoPipelining: false,
      retry: { retries: 1 },
      // A function: of a plain signal that has fired the client makes an answer, as if Redis had confirmed.
      signal: () => AbortSignal.timeout(requestTimeoutMs),
    })
    this.#now = now
  }

  async publish(jobs: readonly Job[], { delaySeconds = 0 }: { delaySeconds?: number } = {}): Promise<void> {
    if (jobs.length === 0) return
    const pipeline = this.#redis.pipeline()
    for (const job of jobs) {
      const { stream, delayed } = keysOf(job.bytes < longFileBytes ? 'short' : 'long')
      const envelope: Envelope = { job, tries: 0 }
      if (delaySeconds > 0) pipeline.zadd(delayed, { score: this.#now() + delaySeconds * 1000, member: envelope })
      else pipeline.xadd(stream, '*', { envelope }, trimTo(maxStreamLength))
    }
    await pipeline.exec()
  }

  /**
   * Runs what is due until there is nothing left, the time is over or `maxJobs` have been run. Returns how many were.
   * Throws when Redis could not be reached, but not before the jobs that it has begun have ended.
   */
  async drain(options: DrainOptions): Promise<number> {
    const budget = { jobs: options.maxJobs }
    const ends = await Promise.allSettled(options.streams.map((name) => this.#drainStream(name, budget, options)))
    for (const end of ends) if (end.status === 'rejected') throw end.reason
    return options.maxJobs - budget.jobs
  }

  /**
   * Hands each job that was given up to `note`, and forgets it only when that has taken it. Returns how many were handed
   * over; throws the first error of `note` after all have been tried.
   */
  async handOverDead(note: (message: unknown, reason: string) => Promise<unknown>): Promise<number> {
    const found = await this.#redis.xrange(dead, '-', '+', deadAtOnce)
    const entries = parseEntries(Object.entries(found))
    const ends = await Promise.allSettled(entries.map(({ envelope }) => note(envelope.job, envelope.reason ?? '')))
    const noted = entries.filter((_, index) => ends[index]?.status === 'fulfilled')
    if (noted.length > 0) await this.#redis.xdel(dead, idsOf(noted))
    for (const end of ends) if (end.status === 'rejected') throw end.reason
    return noted.length
  }

  async #drainStream(
    name: StreamName,
    budget: { jobs: number },
    { until, run }: Pick<DrainOptions, 'until' | 'run'>,
  ): Promise<void> {
    let pendingFrom = firstPending
    while (budget.jobs > 0 && this.#now() < until) {
      // Both streams draw on the budget, so what this one asks for is taken out before it waits.
      const count = Math.min(jobsAtOnce, budget.jobs)
      budget.jobs -= count
      let entries = await this.#takeNew(name, count)
      if (entries.length === 0) {
        const taken = await this.#takeOver(name, count, pendingFrom)
        entries = taken.entries
        pendingFrom = taken.next
      }
      budget.jobs += count - entries.length
      if (entries.length > 0) await this.#runAll(name, entries, run)
      else if (pendingFrom === firstPending) return
    }
  }

  /** Entries that nobody has had, after those whose delay is over have been put among them. */
  async #takeNew(name: StreamName, count: number): Promise<Entry[]> {
    const { stream, delayed } = keysOf(name)
    const take = () =>
      this.#redis
        .pipeline()
        .eval(releaseScript, [delayed, stream], [this.#now(), releasedAtOnce, maxStreamLength])
        .xreadgroup(group, consumer, stream, '>', { count })
        .exec<[number, unknown]>({ keepErrors: true })
    let [released, read] = await take()
    if (read.error?.includes('NOGROUP')) {
      await this.#createGroup(stream)
      ;[released, read] = await take()
    }
    const error = released.error ?? read.error
    if (error) throw new Error(`Redis did not hand out jobs: ${error}`)
    return parseRead(read.result)
  }

  /** The first reader makes the group, and so does the first after Redis has lost it; it begins with the oldest entry. */
  async #createGroup(stream: string): Promise<void> {
    try {
      await this.#redis.xgroup(stream, { type: 'CREATE', group, id: '0', options: { MKSTREAM: true } })
    } catch (error) {
      if (!(error instanceof Error && error.message.includes('BUSYGROUP'))) throw error
    }
  }

  /** Entries of dead consumers. One call looks at no more than ten times `count`; `next` is where to go on. */
  async #takeOver(name: StreamName, count: number, from: string): Promise<{ entries: Entry[]; next: string }> {
    const { stream } = keysOf(name)
    const answer = await this.#redis.xautoclaim(stream, group, consumer, deadConsumerMs, from, { count })
    const [next, entries] = answer as [unknown, unknown]
    return { entries: parseEntries(entries), next: String(next) }
  }

  /**
   * Runs jobs side by side and settles them together, in one transaction: an entry goes, or goes and comes back later.
   * If that fails, they all stay taken, and are run once more as those of a dead consumer.
   */
  async #runAll(name: StreamName, entries: readonly Entry[], run: DrainOptions['run']): Promise<void> {
    const { stream, delayed } = keysOf(name)
    const ends = await Promise.allSettled(entries.map(async ({ envelope }) => run(envelope.job)))
    const transaction = this.#redis.multi()
    for (const [index, { envelope }] of entries.entries()) {
      const end = ends[index]
      if (end?.status !== 'rejected') continue
      const failed = { job: envelope.job, tries: envelope.tries + 1, reason: describe(end.reason) } satisfies Envelope
      if (failed.tries < maxTries) {
        const score = this.#now() + retrySeconds(failed.tries) * 1000
        transaction.zadd(delayed, { score, member: failed })
      } else {
        transaction.xadd(dead, '*', { envelope: failed }, trimTo(maxDeadLength))
      }
    }
    transaction.xack(stream, group, idsOf(entries))
    transaction.xdel(stream, idsOf(entries))
    await transaction.exec()
  }
}

function retrySeconds(tries: number): number {
  return Math.min(firstRetrySeconds * 2 ** (tries - 1), maxQueueDelaySeconds)
}

function describe(error: unknown): string {
  return withoutParameters(error instanceof Error ? error.message : String(error)).slice(0, maxReasonLength)
}

function trimTo(threshold: number) {
  return { trim: { type: 'MAXLEN', threshold, comparison: '~' } } as const
}

function idsOf(entries: readonly Entry[]): string[] {
  return entries.map(({ id }) => id)
}

/** XREADGROUP answers `[[stream, entries]]`, or null when there is nothing. */
function parseRead(answer: unknown): Entry[] {
  return Array.isArray(answer) ? parseEntries(answer[0]?.[1]) : []
}

/**
 * Entries are `[id, [field, value, …]]`, or `[id, { field: value }]` where the client has made objects of them. Null
 * stands for one that was trimmed away while it was taken. What is no envelope is handed on as it is: it must be looked
 * at and acknowledged like any other, or it would come back for ever.
 */
function parseEntries(entries: unknown): Entry[] {
  if (!Array.isArray(entries)) return []
  return entries.flatMap((entry) => {
    if (!Array.isArray(entry) || entry[1] === null) return []
    const [id, fields] = entry
    const value = Array.isArray(fields) ? fields[1] : fields.envelope
    const isEnvelope = typeof value === 'object' && value !== null && 'job' in value && 'tries' in value
    return [{ id, envelope: isEnvelope ? (value as Envelope) : { job: value, tries: 0 } }]
  })
}
