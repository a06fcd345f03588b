import type { DeadLetter } from '../core/dead-letter.ts'
import { Refusal } from '../core/errors.ts'
import type { Clock, JobQueue, Log } from '../core/ports.ts'
import { findDeadLetters, takeDeadLetter } from '../db/dead-letters.ts'
import { type FindParts, findDomainRecord } from './domains/find-domain.ts'
import { handlers } from './job-kinds.ts'
import type { Place } from './place.ts'
import { publishJobs } from './publish-jobs.ts'

/**
 * Sends the job of a dead letter again, as a new publish of its row. Returns false when the row has moved on
 * meanwhile and nothing had to be sent. Throws `dead-letter-not-found`.
 */
export async function retryDeadLetter(
  { places, queue, now, log }: { places: readonly Place[]; queue: JobQueue; now: Clock; log: Log },
  id: string,
): Promise<{ letter: DeadLetter; published: boolean }> {
  for (const { db } of places) {
    const letter = await takeDeadLetter(db, id, now())
    if (!letter) continue
    const { kind, rowId, domainId, generation } = letter
    const job = await handlers[kind].take(db, { id: rowId, domainId, generation }, now())
    if (job) await publishJobs({ queue, log }, [job])
    return { letter, published: job !== undefined }
  }
  throw new Refusal('dead-letter-not-found', 'There is no dead letter with this id that waits to be sent again.')
}

/**
 * One page of the letters that nobody has sent again yet, newest first: of all places, or of the domain with this slug.
 * Throws `domain-not-found`.
 */
export async function listDeadLetters(
  parts: FindParts,
  { limit, cursor, slug }: { limit: number; cursor?: string | undefined; slug?: string | undefined },
): Promise<{ letters: DeadLetter[]; nextCursor: string | null }> {
  const domain = slug === undefined ? undefined : await findDomainRecord(parts, slug)
  const places = domain ? [domain.place] : parts.places
  const filter = { domainId: domain?.name.id, olderThanId: cursor }
  const found = (await Promise.all(places.map(({ db }) => findDeadLetters(db, limit + 1, filter))))
    .flat()
    .sort((a, b) => (a.id < b.id ? 1 : -1))
  const letters = found.slice(0, limit)
  return {
    letters,
    nextCursor: found.length > limit ? (letters.at(-1)?.id ?? null) : null,
  }
}
