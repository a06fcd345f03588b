import { commitWindowMs } from '../core/object-key.ts'
import type { Clock, JobQueue, Log } from '../core/ports.ts'
import type { Database } from '../db/database.ts'
import { findAbandonedClaims, findDeadLeases, findUnremovedObjects, takeDueJobs } from '../db/uploaded-files/due.ts'
import type { ObjectStorage } from '../storage/object-storage.ts'
import { settleFailedAttempt } from './process-upload.ts'
import { publishJobs } from './publish-jobs.ts'
import { discardClaim } from './receive/discard-claim.ts'
import { removeObject } from './remove-object.ts'

export interface ReconcileParts {
  db: Database
  storage: ObjectStorage
  queue: JobQueue
  now: Clock
  random(): number
  log: Log
}

/** How many rows of each kind one sweep takes on; the next one, a minute later, goes on from there. */
const rowsPerSweep = 100

/** How long a deletion is left to the request that asked for it. */
const removalGraceMs = 60_000

/** What one sweep did. */
export interface SweepReport {
  published: number
  freedLeases: number
  discardedClaims: number
  removedObjects: number
}

/**
 * Finishes what a crash, a failed publish or a lost message left half done: publishes jobs that are due, frees the
 * files of dead workers, discards claims that can no longer be committed, and removes the objects of deleted files.
 * Bounded in work; every part can be done twice.
 */
export async function reconcile(parts: ReconcileParts): Promise<SweepReport> {
  const { db, storage, now, log } = parts
  const startedAt = now()

  const deadLeases = await findDeadLeases(db, startedAt, rowsPerSweep)
  for (const hold of deadLeases) await settleFailedAttempt(hold, parts)

  const jobs = await takeDueJobs(db, startedAt, rowsPerSweep)
  await publishJobs(parts, jobs)

  const claims = await findAbandonedClaims(db, startedAt - commitWindowMs, rowsPerSweep)
  for (const claim of claims) await discardClaim({ db, storage, now, log }, claim)

  const objects = await findUnremovedObjects(db, startedAt - removalGraceMs, rowsPerSweep)
  for (const object of objects) await removeObject({ db, storage, now, log }, object)

  const report = {
    published: jobs.length,
    freedLeases: deadLeases.length,
    discardedClaims: claims.length,
    removedObjects: objects.length,
  }
  if (Object.values(report).some((count) => count > 0)) log('info', 'reconciled', { ...report })
  return report
}
