import { and, eq, gte, lt, sql } from 'drizzle-orm'
import { compile } from './compiled.ts'
import type { Database } from './database.ts'
import { domainDays } from './schema.ts'

/** What a domain accepted on one day. */
export interface DayOfUploads {
  /** As `2026-11-22` (UTC). */
  date: string
  files: number
  bytes: number
}

/** The day (UTC) of a time in milliseconds since 1970, as `2026-11-22`. */
export function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10)
}

const given = sql.placeholder

const countStatement = compile((db) =>
  db
    .insert(domainDays)
    .values({ domainId: given('domainId'), day: given('day'), uploads: given('files'), bytes: given('bytes') })
    .onConflictDoUpdate({
      target: [domainDays.domainId, domainDays.day],
      set: { uploads: sql`uploads + excluded.uploads`, bytes: sql`bytes + excluded.bytes` },
    }),
)

/** Counts files against the day of `now`, in the batch of the commit that accepts them. */
export function countUploads(
  db: Database,
  domainId: string,
  { files, bytes }: { files: number; bytes: number },
  now: number,
): D1PreparedStatement {
  return countStatement(db, { domainId, day: dayOf(now), files, bytes })
}

/** What a domain has accepted on each day from this one on, oldest first; a day without any is left out. */
export async function findDays(db: Database, domainId: string, first: string): Promise<DayOfUploads[]> {
  return db
    .select({ date: domainDays.day, files: domainDays.uploads, bytes: domainDays.bytes })
    .from(domainDays)
    .where(and(eq(domainDays.domainId, domainId), gte(domainDays.day, first)))
    .orderBy(domainDays.day)
}

/** Forgets what domains accepted before this day, `limit` rows at most. */
export async function forgetDays(db: Database, first: string, limit: number): Promise<void> {
  const old = db.select({ rowid: sql`rowid` }).from(domainDays).where(lt(domainDays.day, first)).limit(limit)
  await db.delete(domainDays).where(sql`rowid IN ${old}`)
}
