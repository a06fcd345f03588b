import { and, eq, inArray, sql } from 'drizzle-orm'
import type { Job } from '../../core/job.ts'
import { transitions } from '../../core/status.ts'
import type { StepRefusal } from '../../core/step-run.ts'
import type { UploadedFile } from '../../core/uploaded-file.ts'
import type { Database } from '../database.ts'
import { recordLatestEvent } from '../file-events.ts'
import { firstPublish, published } from '../publishes.ts'
import { uploadedFiles } from '../schema.ts'
import { jobColumns } from './columns.ts'
import { type Hold, heldBy, move, ownedBy, stamp } from './move.ts'

/** Ends a generation well. Undefined: the lease was lost, and somebody else decides. */
export function completeFile(db: Database, hold: Hold, now: number): Promise<UploadedFile | undefined> {
  return move(db, hold, 'complete', now, {
    where: heldBy(hold),
    set: {
      leaseExpiresAt: null,
      nextPublishAt: null,
      failureCode: null,
      failureDetail: null,
      completedAt: now,
    },
  })
}

/** Ends a generation with something that the file's owner is told. */
export function refuseFile(
  db: Database,
  hold: Hold,
  failure: StepRefusal,
  now: number,
): Promise<UploadedFile | undefined> {
  return move(db, hold, failure.verdict === 'quarantined' ? 'quarantine' : 'fail', now, {
    where: heldBy(hold),
    set: {
      leaseExpiresAt: null,
      nextPublishAt: null,
      failureCode: failure.code,
      failureDetail: failure.detail,
      completedAt: now,
    },
  })
}

/** Gives the file back for another attempt at `nextAttemptAt`, and returns the job to publish for it. */
export async function retryFile(
  db: Database,
  hold: Hold,
  failure: { code: string; detail: string },
  nextAttemptAt: number,
  now: number,
): Promise<Job | undefined> {
  const [rows] = await db.batch([
    db
      .update(uploadedFiles)
      .set({
        status: transitions.retry.to,
        leaseExpiresAt: null,
        nextAttemptAt,
        ...published(nextAttemptAt),
        failureCode: failure.code,
        failureDetail: failure.detail,
        ...stamp(now),
      })
      .where(and(ownedBy(hold), inArray(uploadedFiles.status, transitions.retry.from), heldBy(hold)))
      .returning(jobColumns),
    recordLatestEvent(db, hold.id),
  ])
  return rows[0]
}

/** Starts the next generation. Undefined: the file is in a status that has none. */
export async function reprocessFile(
  db: Database,
  file: { domainId: string; id: string; generation: number },
  now: number,
): Promise<UploadedFile | undefined> {
  return move(db, file, 'reprocess', now, {
    where: eq(uploadedFiles.generation, file.generation),
    set: {
      generation: sql`generation + 1`,
      attempts: 0,
      ...firstPublish(now),
      nextAttemptAt: null,
      failureCode: null,
      failureDetail: null,
      completedAt: null,
    },
  })
}
