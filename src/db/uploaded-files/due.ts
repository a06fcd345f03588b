import { and, asc, eq, isNull, lte, sql } from 'drizzle-orm'
import { publishIntervalSeconds } from '../../core/backoff.ts'
import type { Job } from '../../core/job.ts'
import type { Database } from '../database.ts'
import { uploadedFiles } from '../schema.ts'
import type { DeletedFile, Hold } from './transition.ts'

/**
 * Takes up to `limit` rows whose publish is due, noting the next one (twice as far away) in the same statement, so that
 * two sweeps never publish the same number.
 */
export async function takeDueJobs(db: Database, now: number, limit: number): Promise<Job[]> {
  const due = db
    .select({ id: uploadedFiles.id })
    .from(uploadedFiles)
    .where(and(lte(uploadedFiles.nextPublishAt, now), eq(uploadedFiles.status, 'pending')))
    .orderBy(asc(uploadedFiles.nextPublishAt))
    .limit(limit)
  // publishIntervalSeconds(publish) in SQL would say the rule twice; the first twelve values are the rule itself.
  const interval = sql.join(
    Array.from({ length: 12 }, (_, index) =>
      sql.raw(`WHEN publish_count + 1 <= ${index + 1} THEN ${publishIntervalSeconds(index + 1) * 1000}`),
    ),
    sql` `,
  )
  return db
    .update(uploadedFiles)
    .set({
      publishCount: sql`publish_count + 1`,
      nextPublishAt: sql`${now} + CASE ${interval} ELSE ${publishIntervalSeconds(13) * 1000} END`,
    })
    .where(sql`${uploadedFiles.id} IN ${due}`)
    .returning({
      id: uploadedFiles.id,
      domainId: uploadedFiles.domainId,
      generation: uploadedFiles.generation,
      publish: uploadedFiles.publishCount,
    })
}

/** Makes a row's job due now: its delivery has failed for good. Nothing happens when the file has moved on. */
export async function makeDue(
  db: Database,
  job: { domainId: string; id: string; generation: number },
  now: number,
): Promise<void> {
  await db
    .update(uploadedFiles)
    .set({ nextPublishAt: now })
    .where(
      and(
        eq(uploadedFiles.domainId, job.domainId),
        eq(uploadedFiles.id, job.id),
        eq(uploadedFiles.generation, job.generation),
        eq(uploadedFiles.status, 'pending'),
      ),
    )
}

/** Files whose worker has not come back within its lease. */
export async function findDeadLeases(db: Database, now: number, limit: number): Promise<Hold[]> {
  return db
    .select({
      id: uploadedFiles.id,
      domainId: uploadedFiles.domainId,
      generation: uploadedFiles.generation,
      attempt: uploadedFiles.attempts,
    })
    .from(uploadedFiles)
    .where(and(eq(uploadedFiles.status, 'processing'), lte(uploadedFiles.leaseExpiresAt, now)))
    .orderBy(asc(uploadedFiles.leaseExpiresAt))
    .limit(limit)
}

/** Claims that were never committed and now never can be. */
export async function findAbandonedClaims(
  db: Database,
  createdBefore: number,
  limit: number,
): Promise<{ domainId: string; id: string }[]> {
  return db
    .select({ id: uploadedFiles.id, domainId: uploadedFiles.domainId })
    .from(uploadedFiles)
    .where(and(eq(uploadedFiles.status, 'uploading'), lte(uploadedFiles.createdAt, createdBefore)))
    .orderBy(asc(uploadedFiles.createdAt))
    .limit(limit)
}

/** Deleted files whose objects may still be in R2, although they were to be removed before `deletedBefore`. */
export async function findUnremovedObjects(db: Database, deletedBefore: number, limit: number): Promise<DeletedFile[]> {
  return db
    .select({ id: uploadedFiles.id, objectKey: uploadedFiles.objectKey, r2UploadId: uploadedFiles.r2UploadId })
    .from(uploadedFiles)
    .where(
      and(
        eq(uploadedFiles.status, 'deleted'),
        isNull(uploadedFiles.objectRemovedAt),
        lte(uploadedFiles.updatedAt, deletedBefore),
      ),
    )
    .orderBy(asc(uploadedFiles.updatedAt))
    .limit(limit)
}

/** Notes that the object of a deleted file is gone. */
export async function markObjectRemoved(db: Database, id: string, now: number): Promise<void> {
  await db
    .update(uploadedFiles)
    .set({ objectRemovedAt: now })
    .where(and(eq(uploadedFiles.id, id), eq(uploadedFiles.status, 'deleted')))
}
