import type { FetchedService } from '../watched-fetch.ts'
import type { Entrances, StageQueue } from './stage-queue.ts'

const streams = ['stevedore:jobs:short', 'stevedore:jobs:long']
const dead = 'stevedore:jobs:dead'
const group = 'stevedore'

/** More sweeps than it takes to deliver what is due. */
const mostSweeps = 10

type Plain = string | number | null | Plain[]

/**
 * A real Redis behind Upstash's protocol. It calls nobody: what waits in it is taken by the Worker's drains. Time that
 * the stage skips has passed for entries that were taken and not acknowledged.
 */
export class RedisStageQueue implements StageQueue {
  readonly service = 'Redis'
  readonly vars: Record<string, string>
  readonly deliveriesUntilDead = 5
  readonly fetched: FetchedService
  #entrances!: Entrances

  constructor({ url, token }: { url: string; token: string }) {
    this.vars = { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token }
    this.fetched = {
      url,
      nameOf: (path, body) => `Redis ${path === '/multi-exec' ? 'multi ' : ''}${namesOf(JSON.parse(body)).join(' + ')}`,
      fetch: (path, init) => fetch(`${url}${path}`, init),
    }
  }

  bindings(): Record<string, unknown> {
    return {}
  }

  async open(entrances: Entrances): Promise<void> {
    this.#entrances = entrances
    await this.#send(['FLUSHALL'])
  }

  async elapse(ms: number): Promise<void> {
    const waiting = await this.#send(...streams.map((stream) => ['XPENDING', stream, group, '-', '+', 1_000]))
    const claims = waiting.flatMap((pending, index) =>
      // It is an error, as text, while there is no group.
      (Array.isArray(pending) ? (pending as [string, string, number, number][]) : []).map(([id, , idleMs]) => [
        ...['XCLAIM', streams[index]!, group, 'worker', 0, id],
        ...['IDLE', idleMs + ms, 'JUSTID'],
      ]),
    )
    if (claims.length > 0) await this.#send(...claims)
  }

  async lose(): Promise<void> {
    await this.#send(['FLUSHALL'])
  }

  async isEmpty(): Promise<boolean> {
    const counts = await this.#send(
      ...[...streams, dead].map((stream) => ['XLEN', stream]),
      ...streams.map((stream) => ['ZCARD', `${stream}:delayed`]),
    )
    return counts.every((count) => count === 0)
  }

  async deliver(): Promise<void> {
    for (let sweeps = 0; sweeps < mostSweeps && (await this.#isDue()); sweeps++) await this.#entrances.sweep()
  }

  /** Whether there is an entry that nobody has taken, or a delayed one whose time has come. */
  async #isDue(): Promise<boolean> {
    const [short, long, shortTaken, longTaken, ...delayed] = await this.#send(
      ...streams.map((stream) => ['XLEN', stream]),
      ...streams.map((stream) => ['XPENDING', stream, group]),
      ...streams.map((stream) => ['ZCOUNT', `${stream}:delayed`, '-inf', this.#entrances.now()]),
    )
    const taken = (pending?: Plain) => Number(Array.isArray(pending) ? pending[0] : 0)
    const untaken = Number(short) - taken(shortTaken) + Number(long) - taken(longTaken)
    return untaken > 0 || delayed.some((count) => Number(count) > 0)
  }

  /** Sends commands past the Worker. An error comes back as its text. */
  async #send(...commands: (string | number)[][]): Promise<Plain[]> {
    const response = await fetch(`${this.fetched.url}/pipeline`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.vars.UPSTASH_REDIS_REST_TOKEN}` },
      body: JSON.stringify(commands),
    })
    const items = await response.json<({ result: Plain } | { error: string })[]>()
    return items.map((item) => ('result' in item ? item.result : item.error))
  }
}

/** The commands of a request; several of a kind are one. */
function namesOf(body: unknown[]): string[] {
  const commands = Array.isArray(body[0]) ? (body as unknown[][]) : [body]
  return [...new Set(commands.map(([name]) => String(name).toLowerCase()))]
}
