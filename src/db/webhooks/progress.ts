import { sql } from 'drizzle-orm'
import type { Database } from '../database.ts'
import { fileEvents, webhookProgress } from '../schema.ts'

/** The newest event of a database: what comes after it has not happened yet. */
export const newestSeq = sql`(SELECT coalesce(max(${fileEvents.seq}), 0) FROM ${fileEvents})`

/**
 * Has a domain's events told from here on, if they were not before. What goes before the row of an endpoint or of an
 * upload with a callback, in the same batch.
 */
export function startTelling(db: Database, domainId: string) {
  return db.insert(webhookProgress).select(sql`SELECT ${domainId}, ${newestSeq} WHERE true`).onConflictDoNothing()
}
