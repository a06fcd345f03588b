import { DurableObject } from 'cloudflare:workers'
import type { Progress } from '../core/file-event.ts'
import type { Jurisdiction } from '../core/jurisdiction.ts'
import { type Log, unmeasured } from '../core/ports.ts'
import { maxStreamMs, maxWaitSeconds, type Watch } from '../core/watch.ts'
import { openDatabase } from '../db/database.ts'
import { Audience } from './audience.ts'
import { DomainFeed } from './domain-feed.ts'
import { Watcher } from './watcher.ts'

/** Hints can be lost; this is how late an event can be seen then. */
const pollMs = 2_000

const heartbeatMs = 15_000

/** The databases of the Worker, by where they are. */
export interface WatchEnv {
  DB: D1Database
  DB_EU?: D1Database
  DB_FEDRAMP?: D1Database
}

/** What a Worker asks for: its body is JSON of this shape. */
export interface WatchRequest {
  domainId: string
  jurisdiction: Jurisdiction | null
  watch: Watch
}

/** Header of the answer: the place of the newest event before those in the body. */
export const headHeader = 'stevedore-head'

/**
 * All who watch one domain. It asks the domain's database once for all of them: when it is hinted at something, and every
 * two seconds. It keeps nothing: whoever was watching when it was restarted comes back with the id of the last event.
 */
export class WatchObject extends DurableObject<WatchEnv> {
  readonly #audience = new Audience()
  #feed: DomainFeed | undefined
  #timers: ReturnType<typeof setInterval>[] = []

  /**
   * Begins to watch. 200 with a body that goes on until the client leaves or the watch has come to its end, else 503 when
   * the domain has as many watchers as it may have, or 429 when the client has.
   */
  override async fetch(request: Request): Promise<Response> {
    const asked: WatchRequest = await request.json()
    const feed = this.#feedOf(asked)
    // Between this and the end nothing is awaited, so that nothing is told that is neither before the head nor in the body.
    while (feed.head === undefined) await feed.start()
    const refusal = this.#audience.refuses(asked.watch)
    if (refusal) return new Response(null, { status: refusal === 'domain' ? 503 : 429 })
    const lasts = asked.watch.changeAfter === null ? maxStreamMs : maxWaitSeconds * 1000
    const watcher = new Watcher(asked.watch, Date.now() + lasts, (gone) => this.#leave(gone))
    this.#audience.add(watcher)
    this.#keepTime(feed)
    return new Response(watcher.body, { headers: { [headHeader]: String(feed.head) } })
  }

  /** How many watch at this moment. */
  get watcherCount(): number {
    return this.#audience.size
  }

  /** Says that something has happened in the domain. */
  async hint(): Promise<void> {
    if (this.#audience.size > 0) this.ctx.waitUntil(this.#read())
  }

  /** Says how far a file is. */
  async progress(progress: Progress): Promise<void> {
    this.#audience.tellProgress(progress)
  }

  #feedOf({ domainId, jurisdiction }: WatchRequest): DomainFeed {
    this.#feed ??= new DomainFeed(openDatabase(databaseIn(this.env, jurisdiction), unmeasured), domainId, (events) =>
      this.#audience.tell(events, domainId),
    )
    return this.#feed
  }

  #leave(watcher: Watcher): void {
    this.#audience.remove(watcher)
    this.#restWhenAlone()
  }

  #keepTime(feed: DomainFeed): void {
    if (this.#timers.length > 0) return
    this.#timers = [
      setInterval(() => this.#read(), pollMs),
      setInterval(() => this.#audience.beat(Date.now()), heartbeatMs),
    ]
    // What has happened while the first watcher came is not to wait for the first poll.
    if (feed.head !== undefined) this.ctx.waitUntil(this.#read())
  }

  async #read(): Promise<void> {
    this.#restWhenAlone()
    try {
      await this.#feed?.read()
    } catch (error) {
      // The next poll asks again, from the same place.
      logLine('warn', 'watch-read-failed', { error: String(error) })
    }
  }

  /** Nobody is asked for anybody's sake. */
  #restWhenAlone(): void {
    if (this.#audience.size > 0) return
    for (const timer of this.#timers) clearInterval(timer)
    this.#timers = []
    this.#feed?.stop()
  }
}

const logLine: Log = (level, event, fields) => console[level](JSON.stringify({ level, event, ...fields }))

function databaseIn(env: WatchEnv, jurisdiction: Jurisdiction | null): D1Database {
  const databases = { eu: env.DB_EU, fedramp: env.DB_FEDRAMP }
  const database = jurisdiction === null ? env.DB : databases[jurisdiction]
  if (!database) throw new Error(`There is a domain in "${jurisdiction}", and no bindings for it.`)
  return database
}
