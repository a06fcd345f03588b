import { and, eq, type SQL, sql } from 'drizzle-orm'
import { maxAttempts } from '../../core/backoff.ts'
import type { Job } from '../../core/job.ts'
import type { UploadedFile } from '../../core/uploaded-file.ts'
import type { Database } from '../database.ts'
import { nextPublish, published } from '../publishes.ts'
import { stepRuns, uploadedFiles } from '../schema.ts'
import { awaitsJob, isPaused, jobColumns } from './columns.ts'
import { type Hold, heldBy, inGeneration, move, ownedBy } from './move.ts'

/** When a file may be leased: it is due, or its last lease has ended, and its domain has room for one more. */
export interface LeaseTerms {
  now: number
  leaseMs: number
  /** The most files of the domain that may run at once; null when the queue sees to that. */
  maxRunning: number | null
}

/** Takes the lease on a file. Undefined: there is nothing to do for this job, or no room for it yet. */
export function leaseFile(
  db: Database,
  job: { domainId: string; id: string; generation: number },
  { now, leaseMs, maxRunning }: LeaseTerms,
): Promise<UploadedFile | undefined> {
  return move(db, job, 'lease', now, {
    where: and(
      eq(uploadedFiles.generation, job.generation),
      isDue(now),
      sql`(${uploadedFiles.attempts} < ${maxAttempts} OR ${isPaused})`,
      maxRunning === null ? undefined : sql`${runningFiles(job.domainId, now)} < ${maxRunning}`,
    ),
    set: {
      leaseNumber: sql`lease_number + 1`,
      // Going on after a pause is no new attempt, and no event.
      attempts: sql`attempts + ${unlessPaused}`,
      lastEvent: sql`last_event + ${unlessPaused}`,
      leaseExpiresAt: now + leaseMs,
      nextPublishAt: null,
      nextAttemptAt: null,
      postponedAt: null,
    },
  })
}

/**
 * Puts off a file whose domain has no room: it waits in its row, and is published again when another file of the domain
 * ends, or at `publishAt` at the latest. False: it was not that which kept it from being leased.
 */
export async function postponeFile(
  db: Database,
  job: { domainId: string; id: string; generation: number },
  { now, maxRunning }: LeaseTerms & { maxRunning: number },
  publishAt: number,
): Promise<boolean> {
  const postponed = await db
    .update(uploadedFiles)
    .set({ postponedAt: now, nextPublishAt: publishAt })
    .where(and(inGeneration(job), isDue(now), awaitsJob, sql`${runningFiles(job.domainId, now)} >= ${maxRunning}`))
    .returning({ id: uploadedFiles.id })
  return postponed.length > 0
}

/** Holds a file for longer. False: the lease was lost, and nothing more may be written for it. */
export async function renewLease(db: Database, hold: Hold, leaseExpiresAt: number): Promise<boolean> {
  const renewed = await db
    .update(uploadedFiles)
    .set({ leaseExpiresAt })
    .where(and(ownedBy(hold), eq(uploadedFiles.status, 'processing'), heldBy(hold)))
    .returning({ id: uploadedFiles.id })
  return renewed.length > 0
}

/**
 * Lets go of a file in the middle of its processing, and returns the job that goes on with it: to publish at once, or
 * with `until` at that time, if no answer for one of its steps comes before. Undefined: the lease was lost.
 */
export async function pauseFile(
  db: Database,
  hold: Hold,
  now: number,
  until: number | null,
): Promise<{ job: Job; isDue: boolean } | undefined> {
  // What came while the step was about to wait must not be waited for.
  const hasAnswer = sql`EXISTS (SELECT 1 FROM ${stepRuns} WHERE ${stepRuns.fileId} = ${hold.id}
    AND ${stepRuns.generation} = ${hold.generation} AND ${stepRuns.status} = 'waiting' AND ${stepRuns.answer} IS NOT NULL)`
  const [row] = await db
    .update(uploadedFiles)
    .set({
      leaseExpiresAt: null,
      publishCount: sql`publish_count + 1`,
      nextAttemptAt: sql`CASE WHEN ${hasAnswer} THEN NULL ELSE ${until} END`,
      nextPublishAt: sql`CASE WHEN ${until} IS NULL OR ${hasAnswer} THEN ${nextPublish(now)} ELSE ${until} END`,
      updatedAt: now,
    })
    .where(and(ownedBy(hold), eq(uploadedFiles.status, 'processing'), heldBy(hold)))
    .returning({ ...jobColumns, nextAttemptAt: uploadedFiles.nextAttemptAt })
  if (!row) return undefined
  const { nextAttemptAt, ...job } = row
  return { job, isDue: nextAttemptAt === null }
}

/** Ends a pause, now that an answer is there: the job to publish. Undefined: the file does not wait (any more). */
export async function endPause(
  db: Database,
  file: { domainId: string; id: string; generation: number },
  now: number,
): Promise<Job | undefined> {
  const [job] = await db
    .update(uploadedFiles)
    .set({ nextAttemptAt: null, ...published(now) })
    .where(and(inGeneration(file), isPaused))
    .returning(jobColumns)
  return job
}

function isDue(now: number): SQL {
  return sql`(${awaitsJob} AND (next_attempt_at IS NULL OR next_attempt_at <= ${now})
    OR status = 'processing' AND lease_expires_at <= ${now})`
}

const unlessPaused = sql`(CASE WHEN ${isPaused} THEN 0 ELSE 1 END)`

/** How many files of a domain are being worked on. */
function runningFiles(domainId: string, now: number): SQL {
  return sql`(SELECT count(*) FROM uploaded_files AS running
    WHERE running.domain_id = ${domainId} AND running.status = 'processing' AND running.lease_expires_at > ${now})`
}
