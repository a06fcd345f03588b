import { leaseSeconds, maxAttempts, maxQueueDelaySeconds, retryDelaySeconds } from '../core/backoff.ts'
import type { Job } from '../core/job.ts'
import type { Policy, StepName } from '../core/policy.ts'
import type { Clock, JobQueue, Log } from '../core/ports.ts'
import type { UploadedFile } from '../core/uploaded-file.ts'
import type { Database } from '../db/database.ts'
import { findAccount } from '../db/domain-accounts.ts'
import { findStepResults, insertStepResult } from '../db/step-results.ts'
import { completeFile, failFile, type Hold, leaseFile, retryFile } from '../db/uploaded-files/transition.ts'
import type { Step, StepContext } from '../processing/step.ts'
import type { ObjectStorage } from '../storage/object-storage.ts'
import { publishJobs } from './publish-jobs.ts'

export interface ProcessParts {
  db: Database
  storage: ObjectStorage
  queue: JobQueue
  steps: Readonly<Record<StepName, Step>>
  now: Clock
  /** 0 … 1, for spreading retries. */
  random(): number
  log: Log
}

/** What a job came to. `nothing-to-do`: a duplicate, a late one, or one for a file that has moved on. */
export type JobOutcome = 'complete' | 'failed' | 'retry' | 'nothing-to-do'

interface Failure {
  code: string
  detail: string
}

/**
 * Takes a file through the steps of its domain's policy. Delivered twice, a job does its work once: only one delivery
 * gets the lease, and only who still holds it can write the end. Throws only when the row itself can't be reached.
 */
export async function processUpload(job: Job, parts: ProcessParts): Promise<JobOutcome> {
  const { db, now, log } = parts
  const file = await leaseFile(db, job, now(), leaseSeconds * 1000)
  if (!file) return 'nothing-to-do'
  const hold: Hold = { domainId: file.domainId, id: file.id, generation: file.generation, attempt: file.attempts }
  try {
    const account = await findAccount(db, file.domainId)
    const failure = await runSteps(file, account?.policy.steps ?? [], parts)
    return failure
      ? await end(hold, failure, parts)
      : (await completeFile(db, hold, now()))
        ? 'complete'
        : 'nothing-to-do'
  } catch (error) {
    log('warn', 'attempt-failed', { uploadId: file.id, attempt: file.attempts, error })
    return settleFailedAttempt(hold, parts)
  }
}

/**
 * Ends an attempt that brought no answer: another one later, or after the last of them the end of the file's way. Also
 * for an attempt whose worker is dead.
 */
export async function settleFailedAttempt(
  hold: Hold,
  parts: Pick<ProcessParts, 'db' | 'queue' | 'now' | 'random' | 'log'>,
): Promise<JobOutcome> {
  const { db, now, random } = parts
  if (hold.attempt >= maxAttempts) {
    return end(
      hold,
      { code: 'attempts-exhausted', detail: `Processing did not succeed in ${maxAttempts} attempts.` },
      parts,
    )
  }
  const delaySeconds = retryDelaySeconds(hold.attempt, random())
  const failure = {
    code: 'attempt-failed',
    detail: `Attempt ${hold.attempt} of ${maxAttempts} did not succeed; another follows.`,
  }
  const retried = await retryFile(db, hold, failure, now() + delaySeconds * 1000, now())
  if (!retried) return 'nothing-to-do'
  // A longer wait than a queue is trusted with stays in the row, and the reconciler publishes it when it is due.
  if (delaySeconds <= maxQueueDelaySeconds) {
    const { id, domainId, generation } = hold
    await publishJobs(parts, [{ id, domainId, generation, publish: retried.publish }], { delaySeconds })
  }
  return 'retry'
}

/** Runs what has not been run yet in this generation. Returns why the file is no good, or undefined when it is good. */
async function runSteps(
  file: UploadedFile,
  names: Policy['steps'],
  { db, storage, steps, now }: ProcessParts,
): Promise<Failure | undefined> {
  const finished = new Set((await findStepResults(db, file.id, file.generation)).map((result) => result.step))
  const context: StepContext = {
    file,
    read: async (range) => (await storage.read(file.objectKey, range))?.body ?? null,
  }
  for (const name of names) {
    if (finished.has(name)) continue
    const startedAt = now()
    const outcome = await steps[name].run(context)
    if (outcome.kind === 'failure') return { code: outcome.code, detail: outcome.detail }
    await insertStepResult(db, file, {
      step: name,
      attempt: file.attempts,
      result: outcome.result,
      durationMs: now() - startedAt,
      finishedAt: now(),
    })
  }
  return undefined
}

async function end(hold: Hold, failure: Failure, { db, now }: Pick<ProcessParts, 'db' | 'now'>): Promise<JobOutcome> {
  return (await failFile(db, hold, failure, now())) ? 'failed' : 'nothing-to-do'
}
