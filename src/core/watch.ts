import type { FileStatus } from './status.ts'

/** What somebody watches, in one domain. */
export interface Watch {
  /** Null: every file of the domain. */
  readonly fileId: string | null
  /** Null: events of every status. */
  readonly statuses: readonly FileStatus[] | null
  /**
   * Null: a stream of events, with heartbeats. Else the stream is empty, and ends with the first event of the file whose
   * number is above this one.
   */
  readonly changeAfter: number | null
  /** Who watches, to bound how often one does; null for who is not bounded. */
  readonly client: string | null
}

/** A watch that has begun. */
export interface OpenWatch {
  /** The place of the newest event before it: every later one comes in `body`, and none up to it. */
  readonly head: number
  readonly body: ReadableStream<Uint8Array>
}

/** How many may watch a domain at once, and how many of them may be one client: a key, or an address. */
export const maxWatchers = 2_000
export const maxWatchersPerClient = 200

/** A stream ends after this time, so that access which has ended ends here as well; its client comes back where it was. */
export const maxStreamMs = 30 * 60_000

/** The longest time that a status call waits for a change. */
export const maxWaitSeconds = 60
