import type { Job } from '../../src/core/job.ts'
import type { Plain, UpstashRedis } from './upstash-redis.ts'

const streams = { short: 'stevedore:jobs:short', long: 'stevedore:jobs:long' } as const
const dead = 'stevedore:jobs:dead'
const group = 'stevedore'

/** What waits in Redis: entries of each stream, those of them that a consumer has taken, delayed jobs, dead ones. */
export async function countJobs({ send }: UpstashRedis) {
  const taken = async (stream: string) => {
    // XPENDING fails while there is no group, and then nobody has taken anything.
    const [count] = (await send('XPENDING', stream, group).catch(() => [0])) as [number]
    return count
  }
  const delayed = await Promise.all(Object.values(streams).map((stream) => send('ZCARD', `${stream}:delayed`)))
  return {
    short: await send('XLEN', streams.short),
    long: await send('XLEN', streams.long),
    taken: (await taken(streams.short)) + (await taken(streams.long)),
    delayed: delayed.map(Number).reduce((sum, count) => sum + count),
    dead: await send('XLEN', dead),
  }
}

export const noJobs = { short: 0, long: 0, taken: 0, delayed: 0, dead: 0 }

/** Takes the next entry as a consumer does that dies before it acknowledges. Returns its id. */
export async function takeAndDie({ send }: UpstashRedis): Promise<string> {
  await send('XGROUP', 'CREATE', streams.short, group, '0', 'MKSTREAM').catch(() => undefined)
  const answer = await send('XREADGROUP', 'GROUP', group, 'worker', 'COUNT', 1, 'STREAMS', streams.short, '>')
  const [[, [[id]]]] = answer as [[string, [[string, Plain]]]]
  return id
}

/** Lets it seem as if every taken entry of the stream had been taken this long ago. */
export async function ageTaken({ send }: UpstashRedis, idleMs: number): Promise<void> {
  const pending = (await send('XPENDING', streams.short, group, '-', '+', 1_000)) as [string, ...Plain[]][]
  for (const [id] of pending) {
    await send('XCLAIM', streams.short, group, 'worker', 0, id, 'IDLE', idleMs, 'JUSTID')
  }
}

/** When each delayed job is due, in milliseconds since 1970, with its number of tries. */
export async function delayedJobs({ send }: UpstashRedis): Promise<{ dueAt: number; tries: number; job: Job }[]> {
  const found = (await send('ZRANGE', `${streams.short}:delayed`, 0, -1, 'WITHSCORES')) as string[]
  return Array.from({ length: found.length / 2 }, (_, index) => ({
    ...JSON.parse(found[index * 2] ?? ''),
    dueAt: Number(found[index * 2 + 1]),
  }))
}

/** Ends every delay. */
export async function endDelays({ send }: UpstashRedis): Promise<void> {
  const members = (await send('ZRANGE', `${streams.short}:delayed`, 0, -1)) as string[]
  for (const member of members) await send('ZADD', `${streams.short}:delayed`, 'XX', 0, member)
}

/** The entries that lie in the stream of short jobs, as they were written. */
export async function waitingEnvelopes({ send }: UpstashRedis): Promise<string[]> {
  const entries = (await send('XRANGE', streams.short, '-', '+')) as [string, [string, string]][]
  return entries.map(([, [, envelope]]) => envelope)
}

export async function addEnvelopes({ send }: UpstashRedis, envelopes: readonly string[]): Promise<void> {
  await Promise.all(envelopes.map((envelope) => send('XADD', streams.short, '*', 'envelope', envelope)))
}

/** Adds `count` entries to the stream of short jobs, past any bound. */
export async function fillStream({ send }: UpstashRedis, count: number): Promise<void> {
  const script = "for i = 1, tonumber(ARGV[1]) do redis.call('XADD', KEYS[1], '*', 'envelope', '{}') end"
  await send('EVAL', script, 1, streams.short, count)
}

export async function emptyStream({ send }: UpstashRedis): Promise<void> {
  await send('XTRIM', streams.short, 'MAXLEN', 0)
}

export async function destroyGroup({ send }: UpstashRedis): Promise<void> {
  await send('XGROUP', 'DESTROY', streams.short, group)
}
