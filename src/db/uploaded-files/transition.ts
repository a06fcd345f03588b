import { and, eq, inArray, type SQL, sql } from 'drizzle-orm'
import { publishIntervalSeconds } from '../../core/backoff.ts'
import { type Transition, transitions } from '../../core/status.ts'
import type { UploadedFile } from '../../core/uploaded-file.ts'
import type { Database } from '../database.ts'
import { recordLatestEvent } from '../file-events.ts'
import { domainAccounts, uploadedFiles } from '../schema.ts'
import { fileColumns, toUploadedFile } from './columns.ts'

/** Which row, and the worker that must still hold it: two workers can never both win. */
export interface Hold {
  domainId: string
  id: string
  generation: number
  attempt: number
}

/** Takes the lease on a file that is waiting, or whose last lease has ended. Undefined: there is nothing to do for this job. */
export function leaseFile(
  db: Database,
  job: { domainId: string; id: string; generation: number },
  now: number,
  leaseMs: number,
): Promise<UploadedFile | undefined> {
  return move(db, job, 'lease', now, {
    where: and(
      eq(uploadedFiles.generation, job.generation),
      sql`(status = 'pending' AND (next_attempt_at IS NULL OR next_attempt_at <= ${now})
           OR status = 'processing' AND lease_expires_at <= ${now})`,
    ),
    set: { attempts: sql`attempts + 1`, leaseExpiresAt: now + leaseMs, nextPublishAt: null, nextAttemptAt: null },
  })
}

/** Ends a generation well. Undefined: the lease was lost, and somebody else decides. */
export function completeFile(db: Database, hold: Hold, now: number): Promise<UploadedFile | undefined> {
  return move(db, hold, 'complete', now, {
    where: heldBy(hold),
    set: { leaseExpiresAt: null, nextPublishAt: null, failureCode: null, failureDetail: null, completedAt: now },
  })
}

/** Ends a generation with a failure that the file's owner is told. */
export function failFile(
  db: Database,
  hold: Hold,
  failure: { code: string; detail: string },
  now: number,
): Promise<UploadedFile | undefined> {
  return move(db, hold, 'fail', now, {
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

/** Gives the file back for another attempt at `nextAttemptAt`; the caller publishes its job, number `publish`. */
export async function retryFile(
  db: Database,
  hold: Hold,
  failure: { code: string; detail: string },
  nextAttemptAt: number,
  now: number,
): Promise<{ publish: number } | undefined> {
  const [rows] = await db.batch([
    db
      .update(uploadedFiles)
      .set({
        status: transitions.retry.to,
        leaseExpiresAt: null,
        nextAttemptAt,
        publishCount: sql`publish_count + 1`,
        nextPublishAt: nextAttemptAt + publishIntervalSeconds(1) * 1000,
        failureCode: failure.code,
        failureDetail: failure.detail,
        ...stamp(now),
      })
      .where(and(ownedBy(hold), inArray(uploadedFiles.status, transitions.retry.from), heldBy(hold)))
      .returning({ publish: uploadedFiles.publishCount }),
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
      publishCount: 1,
      nextPublishAt: now + publishIntervalSeconds(1) * 1000,
      nextAttemptAt: null,
      failureCode: null,
      failureDetail: null,
      completedAt: null,
    },
  })
}

/** What was deleted, and what of it is still in R2. */
export interface DeletedFile {
  id: string
  objectKey: string
  r2UploadId: string | null
}

/**
 * Deletes a file: its quota is free and its name and metadata are gone with this one batch; the object follows.
 * With `onlyFrom`, just a file that is still in that status. Undefined: there was nothing (more) to delete.
 */
export async function deleteFile(
  db: Database,
  file: { domainId: string; id: string },
  now: number,
  onlyFrom?: 'uploading',
): Promise<DeletedFile | undefined> {
  const from = onlyFrom ? [onlyFrom] : transitions.delete.from
  const mayDelete = and(ownedBy(file), inArray(uploadedFiles.status, from))
  const freed = (amount: SQL) => sql`(SELECT ${amount} FROM ${uploadedFiles} WHERE ${mayDelete})`
  const [, rows] = await db.batch([
    db
      .update(domainAccounts)
      .set({
        storedFiles: sql`stored_files - ${freed(sql`count(*)`)}`,
        storedBytes: sql`stored_bytes - ${freed(sql`coalesce(sum(size), 0)`)}`,
      })
      .where(eq(domainAccounts.domainId, file.domainId)),
    db
      .update(uploadedFiles)
      .set({
        status: transitions.delete.to,
        filename: '',
        metadata: {},
        leaseExpiresAt: null,
        nextPublishAt: null,
        nextAttemptAt: null,
        failureCode: null,
        failureDetail: null,
        ...stamp(now),
      })
      .where(mayDelete)
      .returning({ id: uploadedFiles.id, objectKey: uploadedFiles.objectKey, r2UploadId: uploadedFiles.r2UploadId }),
    recordLatestEvent(db, file.id),
  ])
  return rows[0]
}

/** One guarded update and its event, in one batch. */
async function move(
  db: Database,
  file: { domainId: string; id: string },
  transition: Transition,
  now: number,
  { where, set }: { where: SQL | undefined; set: Record<string, unknown> },
): Promise<UploadedFile | undefined> {
  const { from, to } = transitions[transition]
  const [rows] = await db.batch([
    db
      .update(uploadedFiles)
      .set({ ...set, status: to, ...stamp(now) })
      .where(and(ownedBy(file), inArray(uploadedFiles.status, from), where))
      .returning(fileColumns),
    recordLatestEvent(db, file.id),
  ])
  return rows[0] && toUploadedFile(rows[0])
}

function ownedBy(file: { domainId: string; id: string }): SQL | undefined {
  return and(eq(uploadedFiles.domainId, file.domainId), eq(uploadedFiles.id, file.id))
}

function heldBy(hold: Hold): SQL | undefined {
  return and(eq(uploadedFiles.generation, hold.generation), eq(uploadedFiles.attempts, hold.attempt))
}

function stamp(now: number) {
  return { lastEvent: sql`last_event + 1`, updatedAt: now }
}
