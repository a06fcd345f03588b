import type { FileEvent } from '../core/file-event.ts'
import type { Database } from '../db/database.ts'
import { findDomainEvents, findNewestSeq } from '../db/file-events.ts'

/** Events are read in pages of so many: some 60 KB, so that a few of them fit into what may wait for a watcher. */
const pageEvents = 200

/**
 * What happens in a domain, read from its database from where it was read before. However many ask for it at once, there
 * is one read at a time, and at most one more after it.
 */
export class DomainFeed {
  readonly #db: Database
  readonly #domainId: string
  readonly #tell: (events: FileEvent[]) => void
  #head: number | undefined
  #starting: Promise<void> | undefined
  #reading: Promise<void> | undefined
  #isAskedAgain = false

  /** `tell` gets each event once, in order. */
  constructor(db: Database, domainId: string, tell: (events: FileEvent[]) => void) {
    this.#db = db
    this.#domainId = domainId
    this.#tell = tell
  }

  /** The place of the last event that was told, or before which nothing is; undefined before `start` and after `stop`. */
  get head(): number | undefined {
    return this.#head
  }

  /** Begins with what happens from now on. Does nothing to a feed that runs. */
  async start(): Promise<void> {
    if (this.#head !== undefined) return
    this.#starting ??= findNewestSeq(this.#db, this.#domainId)
      .then((seq) => {
        this.#head = seq
      })
      .finally(() => {
        this.#starting = undefined
      })
    await this.#starting
  }

  stop(): void {
    this.#head = undefined
  }

  /** Reads what has happened since, including all that had when this was called. */
  async read(): Promise<void> {
    if (this.#reading) {
      this.#isAskedAgain = true
      return this.#reading
    }
    this.#reading = this.#readAll().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  async #readAll(): Promise<void> {
    do {
      this.#isAskedAgain = false
      while (await this.#readPage());
    } while (this.#isAskedAgain)
  }

  /** Whether there may be more. */
  async #readPage(): Promise<boolean> {
    const afterSeq = this.#head
    if (afterSeq === undefined) return false
    const events = await findDomainEvents(this.#db, this.#domainId, { afterSeq, statuses: null }, pageEvents)
    const last = events.at(-1)
    // It may have been stopped, and even started anew, while it read.
    if (!last || this.#head !== afterSeq) return false
    this.#head = last.seq
    this.#tell(events)
    return events.length === pageEvents
  }
}
