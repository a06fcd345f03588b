import { and, eq, lt, type SQL, sql } from 'drizzle-orm'
import { maxAttempts } from '../../core/backoff.ts'
import type { UploadedFile } from '../../core/uploaded-file.ts'
import type { Database } from '../database.ts'
import { uploadedFiles } from '../schema.ts'
import { type Hold, heldBy, move, ownedBy } from './move.ts'

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
      lt(uploadedFiles.attempts, maxAttempts),
      maxRunning === null ? undefined : sql`${runningFiles(job.domainId, now)} < ${maxRunning}`,
    ),
    set: {
      attempts: sql`attempts + 1`,
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
    .where(
      and(
        ownedBy(job),
        eq(uploadedFiles.status, 'pending'),
        eq(uploadedFiles.generation, job.generation),
        isDue(now),
        sql`${runningFiles(job.domainId, now)} >= ${maxRunning}`,
      ),
    )
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

function isDue(now: number): SQL {
  return sql`(status = 'pending' AND (next_attempt_at IS NULL OR next_attempt_at <= ${now})
    OR status = 'processing' AND lease_expires_at <= ${now})`
}

/** How many files of a domain are being worked on. */
function runningFiles(domainId: string, now: number): SQL {
  return sql`(SELECT count(*) FROM uploaded_files AS running
    WHERE running.domain_id = ${domainId} AND running.status = 'processing' AND running.lease_expires_at > ${now})`
}
