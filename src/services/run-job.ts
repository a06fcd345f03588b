import { v7 as uuidv7 } from 'uuid'
import { type Job, jobSchema } from '../core/job.ts'
import type { Log } from '../core/ports.ts'
import type { Database } from '../db/database.ts'
import { insertDeadLetter } from '../db/dead-letters.ts'
import { makeDue } from '../db/uploaded-files/due.ts'
import type { ObjectStorage } from '../storage/object-storage.ts'
import { type ProcessParts, processUpload } from './process-upload.ts'

/** What running jobs needs: the shared parts, and where each domain keeps its files. */
export interface RunJobParts extends Omit<ProcessParts, 'db' | 'storage'> {
  databaseFor(domain: { id: string }): Database
  storageFor(domain: { id: string }): ObjectStorage
}

/**
 * Runs a job as any queue delivers it. Returns false for what is no job at all, which delivering again would not mend;
 * throws when the job should be delivered again because its row could not be reached.
 */
export async function runJob(parts: RunJobParts, message: unknown): Promise<boolean> {
  const job = parseJob(parts.log, message)
  if (!job) return false
  const domain = { id: job.domainId }
  try {
    const outcome = await processUpload(job, {
      ...parts,
      db: parts.databaseFor(domain),
      storage: parts.storageFor(domain),
    })
    parts.log('info', 'job-done', {
      uploadId: job.id,
      generation: job.generation,
      publish: job.publish,
      outcome,
    })
    return true
  } catch (error) {
    parts.log('error', 'job-not-run', { uploadId: job.id, error })
    throw error
  }
}

/**
 * Takes note of a job that its queue has given up: it becomes a dead letter, and its row is due at once, so that the
 * reconciler publishes it anew.
 */
export async function noteDeadJob(
  { databaseFor, now, log }: Pick<RunJobParts, 'databaseFor' | 'now' | 'log'>,
  message: unknown,
  reason: string,
): Promise<boolean> {
  const job = parseJob(log, message)
  if (!job) return false
  const { id: fileId, domainId, generation, publish } = job
  log('error', 'job-given-up', {
    uploadId: fileId,
    generation,
    publish,
    reason,
  })
  const db = databaseFor({ id: domainId })
  await insertDeadLetter(db, {
    id: uuidv7(),
    fileId,
    domainId,
    generation,
    publish,
    reason: reason.slice(0, 500),
    createdAt: now(),
  })
  await makeDue(db, job, now())
  return true
}

function parseJob(log: Log, message: unknown): Job | null {
  const result = jobSchema.safeParse(message)
  if (!result.success) log('error', 'job-not-understood', { issues: result.error.issues })
  return result.success ? result.data : null
}
