import { and, desc, eq, isNull, lt } from 'drizzle-orm'
import type { DeadLetter } from '../core/dead-letter.ts'
import type { Database } from './database.ts'
import { deadLetters } from './schema.ts'

/** Keeps a dead letter. One publish of a job has one at most, however often its queue reports it. */
export async function insertDeadLetter(db: Database, letter: Omit<DeadLetter, 'retriedAt'>): Promise<void> {
  await db.insert(deadLetters).values(letter).onConflictDoNothing()
}

/** Those that nobody has sent again yet, newest first, at most `limit`: of one domain, older than one of them. */
export async function findDeadLetters(
  db: Database,
  limit: number,
  { domainId, olderThanId }: { domainId?: string | undefined; olderThanId?: string | undefined } = {},
): Promise<DeadLetter[]> {
  return db
    .select()
    .from(deadLetters)
    .where(
      and(
        isNull(deadLetters.retriedAt),
        domainId === undefined ? undefined : eq(deadLetters.domainId, domainId),
        olderThanId === undefined ? undefined : lt(deadLetters.id, olderThanId),
      ),
    )
    .orderBy(desc(deadLetters.id))
    .limit(limit)
}

/** Takes a dead letter to be sent again; undefined when there is none of this id, or somebody has taken it. */
export async function takeDeadLetter(db: Database, id: string, now: number): Promise<DeadLetter | undefined> {
  const [letter] = await db
    .update(deadLetters)
    .set({ retriedAt: now })
    .where(and(eq(deadLetters.id, id), isNull(deadLetters.retriedAt)))
    .returning()
  return letter
}

/** Forgets letters that were written before this time. */
export async function forgetDeadLetters(db: Database, createdBefore: number): Promise<void> {
  await db.delete(deadLetters).where(lt(deadLetters.createdAt, createdBefore))
}
