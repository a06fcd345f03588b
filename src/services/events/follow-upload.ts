import { readEventId } from '../../core/event-stream.ts'
import type { Located } from '../../core/jurisdiction.ts'
import type { Log, Watchers } from '../../core/ports.ts'
import { isTerminal } from '../../core/status.ts'
import type { Database } from '../../db/database.ts'
import { findFileEvents } from '../../db/file-events.ts'
import { findUpload } from '../find-upload.ts'
import { eventStream, type Replay, replayPageEvents } from './event-stream.ts'

export interface FollowParts {
  db: Database
  watchers: Pick<Watchers, 'open'>
  log: Log
  /** 0 … 1. */
  random(): number
}

/** Who follows, and from where. */
export interface Follower {
  /** Null for who is not bounded. */
  client: string | null
  /** The id of the last event that was received; undefined when there was none. */
  lastEventId: string | undefined
}

/**
 * What happens to a file, from its first event on or from the one after `lastEventId`, until it has come to its end. Null:
 * there is nothing more to tell. Throws as `findUpload` and `Watchers.open` do, and `request-invalid` for an id of another
 * domain.
 */
export async function followUpload(
  { db, watchers, log, random }: FollowParts,
  domain: Located & { id: string },
  id: string,
  { client, lastEventId }: Follower,
): Promise<ReadableStream<Uint8Array> | null> {
  const afterSeq = lastEventId === undefined ? 0 : readEventId(lastEventId, domain.id)
  const file = await findUpload(db, { domainId: domain.id, id })
  const isOver = isTerminal(file.status)
  const live = isOver ? null : await watchers.open(domain, { fileId: id, statuses: null, changeAfter: null, client })
  const readPage = (after: number) =>
    findFileEvents(db, file, { afterSeq: after, untilSeq: live?.head }, replayPageEvents)
  try {
    const first = await readPage(afterSeq)
    if (isOver && first.length === 0 && lastEventId !== undefined) return null
    const replay: Replay = {
      gap: null,
      first,
      readPage,
      // It may have come to its end after its row was read, and before the watch began.
      endsWith: (last) => isOver || (last !== null && isTerminal(last.status)),
    }
    return eventStream({ domainId: domain.id, log, random }, replay, live?.body ?? null)
  } catch (error) {
    await live?.body.cancel()
    throw error
  }
}
