import { and, eq, gte, ne, sql } from 'drizzle-orm'
import { firstKeyAt } from '../../core/object-key.ts'
import type { Database } from '../database.ts'
import { uploadedFiles } from '../schema.ts'

/** What came in on one day. */
export interface DayOfUploads {
  /** As `2026-11-22` (UTC). */
  date: string
  files: number
  bytes: number
}

const day = sql<string>`date(${uploadedFiles.createdAt} / 1000, 'unixepoch')`

/**
 * How many files a domain has accepted on each day since this time (milliseconds since 1970), oldest day first; a day
 * without any is left out. Deleted ones count as long as their rows are kept. Reads the rows of that time alone.
 */
export async function countFilesByDay(db: Database, domainId: string, since: number): Promise<DayOfUploads[]> {
  return db
    .select({
      date: day,
      files: sql<number>`count(*)`,
      bytes: sql<number>`sum(${uploadedFiles.size})`,
    })
    .from(uploadedFiles)
    .where(
      and(
        eq(uploadedFiles.domainId, domainId),
        gte(uploadedFiles.id, firstKeyAt(since)),
        eq(uploadedFiles.isPartial, false),
        // What was never sent to its end has none.
        ne(uploadedFiles.sha256, ''),
      ),
    )
    .groupBy(day)
    .orderBy(day)
}
