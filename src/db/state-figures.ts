import { sql } from 'drizzle-orm'
import type { Database } from './database.ts'
import { deadLetters, domainAccounts, uploadedFiles, webhookDeliveries, webhookEndpoints } from './schema.ts'

/** How many there are of one kind. */
export interface StateCount {
  readonly state: string
  readonly count: number
}

/** How things stand in one database at this moment. */
export interface StateFigures {
  /** Of the files that are not where they end well, by status. */
  files: StateCount[]
  storedFiles: number
  storedBytes: number
  /** What running uploads have reserved of their domains' quotas; it is a part of `storedBytes`. */
  reservedBytes: number
  /** For how long the file has waited that waits the longest for a worker, in milliseconds; 0 when none does. */
  oldestPendingMs: number
  /** Jobs that should have been published by now, by kind. */
  due: StateCount[]
  deadLetters: number
  /** Deliveries that wait for their first attempt, or for another one. */
  deliveries: StateCount[]
  endpoints: StateCount[]
  /** Deleted files whose objects should have been removed by now. */
  removals: number
  domains: number
}

/**
 * How long past its time a removal is still none that fails: the sweep of each minute makes many, and every deleted file
 * waits an hour for its last one.
 */
const removalOverdueMs = 10 * 60_000

/**
 * Reads how things stand, in one call. Each of its statements reads an index that holds just the rows it counts, or a
 * table with few rows to a domain: none reads the files that are complete, however many there are.
 */
export async function readStateFigures(db: Database, now: number): Promise<StateFigures> {
  const count = sql<number>`count(*)`
  const [open, quarantined, uploading, oldest, due, dueDeliveries, letters, deliveries, endpoints, removals, accounts] =
    await db.batch([
      db
        .select({ state: uploadedFiles.status, count })
        .from(uploadedFiles)
        .where(sql`next_publish_at IS NOT NULL`)
        .groupBy(uploadedFiles.status),
      db.select({ count }).from(uploadedFiles).where(sql`lease_expires_at IS NOT NULL`),
      db
        .select({ count, bytes: sql<number>`coalesce(sum(size), 0)` })
        .from(uploadedFiles)
        .where(sql`status = 'uploading'`),
      db
        .select({ at: sql<number | null>`min(updated_at)` })
        .from(uploadedFiles)
        .where(
          sql`next_publish_at IS NOT NULL AND status = 'pending' AND (next_attempt_at IS NULL OR next_attempt_at <= ${now})`,
        ),
      db.select({ count }).from(uploadedFiles).where(sql`next_publish_at <= ${now}`),
      db.select({ count }).from(webhookDeliveries).where(sql`next_publish_at <= ${now}`),
      db.select({ count }).from(deadLetters).where(sql`retried_at IS NULL`),
      db
        .select({ state: sql<string>`iif(last_attempt_at IS NULL, 'untried', 'retrying')`.as('state'), count })
        .from(webhookDeliveries)
        .where(sql`next_publish_at IS NOT NULL`)
        .groupBy(sql`state`),
      db
        .select({
          state:
            sql<string>`CASE WHEN disabled_at IS NOT NULL THEN 'disabled' WHEN failing_since IS NOT NULL THEN 'failing' ELSE 'good' END`.as(
              'state',
            ),
          count,
        })
        .from(webhookEndpoints)
        .groupBy(sql`state`),
      db
        .select({ count })
        .from(uploadedFiles)
        .where(sql`removal_due_at <= ${now - removalOverdueMs}`),
      db
        .select({
          count,
          files: sql<number>`coalesce(sum(stored_files), 0)`,
          bytes: sql<number>`coalesce(sum(stored_bytes), 0)`,
        })
        .from(domainAccounts)
        .where(sql`deleted_at IS NULL`),
    ])
  const oldestAt = oldest[0]?.at ?? null
  const running = quarantined[0]?.count ?? 0
  const waiting = (status: string) => open.find(({ state }) => state === status)?.count ?? 0
  return {
    files: [
      { state: 'uploading', count: uploading[0]?.count ?? 0 },
      { state: 'pending', count: waiting('pending') },
      { state: 'processing', count: waiting('processing') + running },
    ],
    storedFiles: accounts[0]?.files ?? 0,
    storedBytes: accounts[0]?.bytes ?? 0,
    reservedBytes: uploading[0]?.bytes ?? 0,
    oldestPendingMs: oldestAt === null ? 0 : Math.max(now - oldestAt, 0),
    due: [
      { state: 'process', count: due[0]?.count ?? 0 },
      { state: 'deliver', count: dueDeliveries[0]?.count ?? 0 },
    ],
    deadLetters: letters[0]?.count ?? 0,
    deliveries: withAll(['untried', 'retrying'], deliveries),
    endpoints: withAll(['good', 'failing', 'disabled'], endpoints),
    removals: removals[0]?.count ?? 0,
    domains: accounts[0]?.count ?? 0,
  }
}

/** A state that nothing is in is a zero, and not a gap in a graph. */
function withAll(states: readonly string[], found: readonly StateCount[]): StateCount[] {
  return states.map((state) => ({ state, count: found.find((row) => row.state === state)?.count ?? 0 }))
}
