import { readEventId } from '../../core/event-stream.ts'
import type { Located } from '../../core/jurisdiction.ts'
import type { FileStatus } from '../../core/status.ts'
import type { Database } from '../../db/database.ts'
import { findDomainEvents, findStartOfNewest, hasEvent } from '../../db/file-events.ts'
import { eventStream, type Replay, replayPageEvents } from './event-stream.ts'
import type { Follower, FollowParts } from './follow-upload.ts'

/** Who has missed more than this gets the newest of them. */
export const maxReplayedEvents = 10_000

/**
 * What happens in a domain to all its files, from now on or from the event after `lastEventId`; of the statuses asked for,
 * or all. It does not end by itself. Throws as `Watchers.open` does, and `request-invalid` for an id of another domain.
 */
export async function followDomain(
  { db, watchers, log, random }: FollowParts,
  domain: Located & { id: string },
  statuses: readonly FileStatus[] | null,
  { client, lastEventId }: Follower,
): Promise<ReadableStream<Uint8Array>> {
  const askedFrom = lastEventId === undefined ? null : readEventId(lastEventId, domain.id)
  const live = await watchers.open(domain, { fileId: null, statuses, changeAfter: null, client })
  const range = { untilSeq: live.head, statuses }
  const readPage = (afterSeq: number) => findDomainEvents(db, domain.id, { ...range, afterSeq }, replayPageEvents)
  try {
    const { from, gap } = await startOfReplay(db, domain.id, askedFrom, range)
    const replay: Replay = { gap, first: from === null ? [] : await readPage(from), readPage, endsWith: () => false }
    return eventStream({ domainId: domain.id, log, random }, replay, live.body)
  } catch (error) {
    await live.body.cancel()
    throw error
  }
}

/** After which place to begin, null for what has not happened yet, and whether something is missing before it. */
async function startOfReplay(
  db: Database,
  domainId: string,
  askedFrom: number | null,
  range: { untilSeq: number; statuses: readonly FileStatus[] | null },
): Promise<{ from: number | null; gap: Replay['gap'] }> {
  if (askedFrom === null) return { from: null, gap: null }
  const newest = await findStartOfNewest(db, domainId, { ...range, afterSeq: askedFrom }, maxReplayedEvents)
  if (newest !== undefined) return { from: newest, gap: 'too-far-behind' }
  // The events of a file are forgotten together, some time after it was deleted. Where the last one that the client knows
  // is gone, others after it may be as well.
  return { from: askedFrom, gap: (await hasEvent(db, domainId, askedFrom)) ? null : 'forgotten' }
}
