import type { DeadLetter } from '../core/dead-letter.ts'
import { Refusal } from '../core/errors.ts'
import type { Clock, JobQueue, Log } from '../core/ports.ts'
import type { Database } from '../db/database.ts'
import { findDeadLetters, takeDeadLetter } from '../db/dead-letters.ts'
import { takeJob } from '../db/uploaded-files/due.ts'
import { publishJobs } from './publish-jobs.ts'

/**
 * Sends the job of a dead letter again, as a new publish of its file's row. Returns false when the file has moved on
 * meanwhile and nothing had to be sent. Throws `dead-letter-not-found`.
 */
export async function retryDeadLetter(
  { db, queue, now, log }: { db: Database; queue: JobQueue; now: Clock; log: Log },
  id: string,
): Promise<{ letter: DeadLetter; published: boolean }> {
  const letter = await takeDeadLetter(db, id, now())
  if (!letter)
    throw new Refusal('dead-letter-not-found', 'There is no dead letter with this id that waits to be sent again.')
  const job = await takeJob(
    db,
    {
      id: letter.fileId,
      domainId: letter.domainId,
      generation: letter.generation,
    },
    now(),
  )
  if (job) await publishJobs({ queue, log }, [job])
  return { letter, published: job !== undefined }
}

/** One page of the letters that nobody has sent again yet, newest first. */
export async function listDeadLetters(
  db: Database,
  { limit, cursor }: { limit: number; cursor?: string | undefined },
): Promise<{ letters: DeadLetter[]; nextCursor: string | null }> {
  const found = await findDeadLetters(db, limit + 1, cursor)
  const letters = found.slice(0, limit)
  return {
    letters,
    nextCursor: found.length > limit ? (letters.at(-1)?.id ?? null) : null,
  }
}
