import { and, asc, eq, isNull, lt, lte, or, sql } from 'drizzle-orm'
import type { Database } from '../database.ts'
import { domainPolicies, fileEvents, fileVariants, stepRuns, uploadedFiles, webhookDeliveries } from '../schema.ts'
import type { DeletedFile } from './delete.ts'

/** Deleted files whose objects are to be removed from R2, or to be removed once more. */
export async function findDueRemovals(db: Database, now: number, limit: number): Promise<DeletedFile[]> {
  const rows = await db
    .select({
      id: uploadedFiles.id,
      objectKey: uploadedFiles.objectKey,
      r2UploadId: uploadedFiles.r2UploadId,
      deletedAt: uploadedFiles.updatedAt,
      removalDueAt: uploadedFiles.removalDueAt,
    })
    .from(uploadedFiles)
    .where(lte(uploadedFiles.removalDueAt, now))
    .orderBy(asc(uploadedFiles.removalDueAt))
    .limit(limit)
  return rows.map((row) => ({ ...row, removalDueAt: row.removalDueAt ?? now }))
}

/** Notes when the object of a deleted file is to be removed again; null when it is gone for good. */
export async function scheduleRemoval(db: Database, id: string, removalDueAt: number | null): Promise<void> {
  await db
    .update(uploadedFiles)
    .set({ removalDueAt })
    .where(and(eq(uploadedFiles.id, id), eq(uploadedFiles.status, 'deleted')))
}

/**
 * The place of a time in a list of UUIDv7s: ids made before it compare as less. A time before 1970, which a hundred years
 * of retention lead to, is 1970: as a negative number it would be printed as a very large one, and no file be younger.
 */
const idAt = (time: ReturnType<typeof sql>) => {
  const since1970 = sql`max(0, ${time})`
  return sql`printf('%08x-%04x', ${since1970} / 65536, ${since1970} % 65536)`
}

/**
 * Finished files that are older than their domain keeps files. A cross join is one that SQLite takes in the order
 * written: left to itself it reads every file there is and asks its domain afterwards.
 */
export async function findExpiredFiles(
  db: Database,
  now: number,
  limit: number,
): Promise<{ id: string; domainId: string }[]> {
  const bound = idAt(sql`${now} - json_extract(${domainPolicies.policy}, '$.retentionDays') * 86400000`)
  return db
    .select({ id: uploadedFiles.id, domainId: uploadedFiles.domainId })
    .from(domainPolicies)
    .crossJoin(uploadedFiles)
    .where(
      and(
        sql`json_extract(${domainPolicies.policy}, '$.retentionDays') IS NOT NULL`,
        eq(uploadedFiles.domainId, domainPolicies.domainId),
        lt(uploadedFiles.id, bound),
        sql`${uploadedFiles.status} IN ('complete', 'failed', 'quarantined')`,
      ),
    )
    .limit(limit)
}

/**
 * Deleted files that nothing has to be remembered of any more: past their domain's `historyDays`, or claims that were
 * never committed, whose id nobody was ever told. That of a resumable upload was told at its creation; its pieces are no
 * files to anybody.
 */
export async function findForgettableFiles(db: Database, now: number, limit: number): Promise<string[]> {
  const historyMs = sql`coalesce(json_extract(${domainPolicies.policy}, '$.historyDays'), 30) * 86400000`
  const { sha256, expiresAt, isPartial, updatedAt } = uploadedFiles
  const wasNeverTold = and(eq(sha256, ''), or(isNull(expiresAt), isPartial))
  const rows = await db
    .select({ id: uploadedFiles.id })
    .from(uploadedFiles)
    .innerJoin(domainPolicies, eq(domainPolicies.domainId, uploadedFiles.domainId))
    .where(
      and(
        eq(uploadedFiles.status, 'deleted'),
        sql`${uploadedFiles.removalDueAt} IS NULL`,
        or(wasNeverTold, lte(updatedAt, sql`${now} - ${historyMs}`)),
      ),
    )
    .limit(limit)
  return rows.map((row) => row.id)
}

/** Forgets files with their events, results and deliveries, in one batch. */
export async function forgetFiles(db: Database, ids: readonly string[]): Promise<void> {
  const these = sql`(SELECT value FROM json_each(${JSON.stringify(ids)}))`
  await db.batch([
    db.delete(fileEvents).where(sql`${fileEvents.fileId} IN ${these}`),
    db.delete(stepRuns).where(sql`${stepRuns.fileId} IN ${these}`),
    db.delete(fileVariants).where(sql`${fileVariants.fileId} IN ${these}`),
    db.delete(webhookDeliveries).where(sql`${webhookDeliveries.fileId} IN ${these}`),
    db.delete(uploadedFiles).where(and(eq(uploadedFiles.status, 'deleted'), sql`${uploadedFiles.id} IN ${these}`)),
  ])
}

/**
 * Which of these object keys belong to a file: one that is there, or one whose objects are still to be removed. A variant
 * belongs to its file when the file shows it, and while somebody may be about to.
 */
export async function findKnownKeys(db: Database, keys: readonly string[]): Promise<Set<string>> {
  const rows = await db.all<{ key: string }>(sql`
    SELECT value AS key FROM json_each(${JSON.stringify(keys)})
    JOIN ${uploadedFiles} ON ${uploadedFiles.id} = substr(value, 1, 36)
    WHERE (${uploadedFiles.status} <> 'deleted' OR ${uploadedFiles.removalDueAt} IS NOT NULL)
      AND (value = ${uploadedFiles.objectKey}
        OR ${uploadedFiles.status} IN ('pending', 'processing', 'deleted')
        OR EXISTS (SELECT 1 FROM ${fileVariants}
          WHERE ${fileVariants.fileId} = ${uploadedFiles.id} AND ${fileVariants.objectKey} = value))`)
  return new Set(rows.map((row) => row.key))
}
