import { and, asc, eq, isNotNull, isNull, lte, or, sql } from 'drizzle-orm'
import { publishIntervalSeconds } from '../../core/backoff.ts'
import type { Job } from '../../core/job.ts'
import type { Database } from '../database.ts'
import { published } from '../publishes.ts'
import { uploadedFiles } from '../schema.ts'
import { awaitsJob, jobColumns } from './columns.ts'
import { type Hold, inGeneration } from './move.ts'

/**
 * Takes up to `limit` rows whose publish is due, noting the next one (twice as far away) in the same statement, so that
 * two sweeps never publish the same number.
 */
export async function takeDueJobs(db: Database, now: number, limit: number): Promise<Job[]> {
  const due = db
    .select({ id: uploadedFiles.id })
    .from(uploadedFiles)
    .where(and(lte(uploadedFiles.nextPublishAt, now), awaitsJob))
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
      postponedAt: null,
      publishCount: sql`publish_count + 1`,
      nextPublishAt: sql`${now} + CASE ${interval} ELSE ${publishIntervalSeconds(13) * 1000} END`,
    })
    .where(sql`${uploadedFiles.id} IN ${due}`)
    .returning(jobColumns)
}

/** How many rows are due to be published. */
export async function countDueJobs(db: Database, now: number): Promise<number> {
  return db.$count(uploadedFiles, and(lte(uploadedFiles.nextPublishAt, now), awaitsJob))
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
    .where(and(inGeneration(job), awaitsJob))
}

/**
 * Takes the file of a domain that has been put off for the longest, now that there is room, noting its next publish in
 * the same statement. Undefined: none waits.
 */
export async function takePostponedJob(db: Database, domainId: string, now: number): Promise<Job | undefined> {
  const longest = db
    .select({ id: uploadedFiles.id })
    .from(uploadedFiles)
    .where(and(eq(uploadedFiles.domainId, domainId), isNotNull(uploadedFiles.postponedAt)))
    .orderBy(asc(uploadedFiles.postponedAt))
    .limit(1)
  const [job] = await db
    .update(uploadedFiles)
    .set({
      postponedAt: null,
      ...published(now),
    })
    .where(and(sql`${uploadedFiles.id} IN ${longest}`, awaitsJob))
    .returning(jobColumns)
  return job
}

/** Takes one file's next publish, as `takeDueJobs` does, before it is due. Undefined: the file is not waiting for a job. */
export async function takeJob(
  db: Database,
  file: { domainId: string; id: string; generation: number },
  now: number,
): Promise<Job | undefined> {
  const [job] = await db
    .update(uploadedFiles)
    .set({
      postponedAt: null,
      ...published(now),
    })
    .where(and(inGeneration(file), awaitsJob))
    .returning(jobColumns)
  return job
}

/** Files whose worker has not come back within its lease. */
export async function findDeadLeases(db: Database, now: number, limit: number): Promise<Hold[]> {
  return db
    .select({
      id: uploadedFiles.id,
      domainId: uploadedFiles.domainId,
      generation: uploadedFiles.generation,
      attempt: uploadedFiles.attempts,
      leaseNumber: uploadedFiles.leaseNumber,
    })
    .from(uploadedFiles)
    .where(and(eq(uploadedFiles.status, 'processing'), lte(uploadedFiles.leaseExpiresAt, now)))
    .orderBy(asc(uploadedFiles.leaseExpiresAt))
    .limit(limit)
}

/**
 * Claims that were never committed and now never can be: of one request those made before `createdBefore`, of a resumable
 * upload those whose own time was over before `expiredBefore`.
 */
export async function findAbandonedClaims(
  db: Database,
  { createdBefore, expiredBefore }: { createdBefore: number; expiredBefore: number },
  limit: number,
): Promise<{ domainId: string; id: string }[]> {
  return db
    .select({ id: uploadedFiles.id, domainId: uploadedFiles.domainId })
    .from(uploadedFiles)
    .where(
      and(
        eq(uploadedFiles.status, 'uploading'),
        lte(uploadedFiles.createdAt, createdBefore),
        or(isNull(uploadedFiles.expiresAt), lte(uploadedFiles.expiresAt, expiredBefore)),
      ),
    )
    .orderBy(asc(uploadedFiles.createdAt))
    .limit(limit)
}
