import {
  leaseSeconds,
  maxAttempts,
  maxQueueDelaySeconds,
  publishIntervalSeconds,
  retryDelaySeconds,
} from '../core/backoff.ts'
import type { Job } from '../core/job.ts'
import type { StepName } from '../core/policy.ts'
import type { Clock, JobQueue, Log } from '../core/ports.ts'
import type { UploadedFile } from '../core/uploaded-file.ts'
import type { Database } from '../db/database.ts'
import { findAccount } from '../db/domain-accounts.ts'
import { findStepResults, insertStepResult } from '../db/step-results.ts'
import { takePostponedJob } from '../db/uploaded-files/due.ts'
import { completeFile, failFile, retryFile } from '../db/uploaded-files/finish.ts'
import { leaseFile, postponeFile } from '../db/uploaded-files/lease.ts'
import type { Hold } from '../db/uploaded-files/move.ts'
import type { Step, StepContext } from '../processing/step.ts'
import type { ObjectStorage } from '../storage/object-storage.ts'
import { keepLease } from './keep-lease.ts'
import { publishJobs } from './publish-jobs.ts'

export interface ProcessParts {
  db: Database
  storage: ObjectStorage
  queue: JobQueue
  steps: Readonly<Record<StepName, Step>>
  /** The most files of one domain at once; null where the queue sees to that. */
  maxRunning: number | null
  now: Clock
  /** 0 … 1, for spreading retries. */
  random(): number
  log: Log
}

/**
 * What a job came to. `nothing-to-do`: a duplicate, a late one, or one for a file that has moved on. `postponed`: its
 * domain has as many files running as it may have.
 */
export type JobOutcome = 'complete' | 'failed' | 'retry' | 'postponed' | 'nothing-to-do'

interface Failure {
  code: string
  detail: string
}

/**
 * Takes a file through the steps of its domain's policy. Delivered twice, a job does its work once: only one delivery
 * gets the lease, and only who still holds it can write the end. Throws only when the row itself can't be reached.
 */
export async function processUpload(job: Job, parts: ProcessParts): Promise<JobOutcome> {
  const { db, now, maxRunning } = parts
  const terms = { now: now(), leaseMs: leaseSeconds * 1000, maxRunning }
  const file = await leaseFile(db, job, terms)
  if (file) {
    const outcome = await work(file, parts)
    if (maxRunning !== null) await giveRoom(file.domainId, parts)
    return outcome
  }
  if (maxRunning === null) return 'nothing-to-do'
  const publishAt = now() + publishIntervalSeconds(1) * 1000
  return (await postponeFile(db, job, { ...terms, maxRunning }, publishAt)) ? 'postponed' : 'nothing-to-do'
}

/** Runs the steps of a leased file and ends its attempt. */
async function work(file: UploadedFile, parts: ProcessParts): Promise<JobOutcome> {
  const { db, now, log } = parts
  const hold: Hold = {
    domainId: file.domainId,
    id: file.id,
    generation: file.generation,
    attempt: file.attempts,
  }
  const keeper = keepLease({ db, now }, hold)
  try {
    const failure = await runSteps(file, hold, keeper.lost, parts)
    if (failure) return await end(hold, failure, parts)
    return (await completeFile(db, hold, now())) ? 'complete' : 'nothing-to-do'
  } catch (error) {
    if (keeper.lost.aborted) return 'nothing-to-do'
    log('warn', 'attempt-failed', {
      uploadId: file.id,
      attempt: file.attempts,
      error,
    })
    return await settleFailedAttempt(hold, parts)
  } finally {
    keeper.stop()
  }
}

/** Publishes the file of the domain that was put off for the longest. Never throws: the reconciler publishes it later. */
async function giveRoom(domainId: string, parts: ProcessParts): Promise<void> {
  try {
    const job = await takePostponedJob(parts.db, domainId, parts.now())
    if (job) await publishJobs(parts, [job])
  } catch (error) {
    parts.log('warn', 'give-room-failed', { domainId, error })
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
      {
        code: 'attempts-exhausted',
        detail: `Processing did not succeed in ${maxAttempts} attempts.`,
      },
      parts,
    )
  }
  const delaySeconds = retryDelaySeconds(hold.attempt, random())
  const failure = {
    code: 'attempt-failed',
    detail: `Attempt ${hold.attempt} of ${maxAttempts} did not succeed; another follows.`,
  }
  const job = await retryFile(db, hold, failure, now() + delaySeconds * 1000, now())
  if (!job) return 'nothing-to-do'
  // A longer wait than a queue is trusted with stays in the row, and the reconciler publishes it when it is due.
  if (delaySeconds <= maxQueueDelaySeconds) await publishJobs(parts, [job], { delaySeconds })
  return 'retry'
}

/** Runs what has not been run yet in this generation. Returns why the file is no good, or undefined when it is good. */
async function runSteps(
  file: UploadedFile,
  hold: Hold,
  lost: AbortSignal,
  { db, storage, steps, now }: ProcessParts,
): Promise<Failure | undefined> {
  const account = await findAccount(db, file.domainId)
  if (!account) throw new Error('The domain of this file has no account.')
  const finished = new Set((await findStepResults(db, file.id, file.generation)).map((result) => result.step))
  const context: StepContext = {
    file,
    signal: lost,
    read: async (range) => (await storage.read(file.objectKey, range))?.body ?? null,
  }
  for (const name of account.policy.steps) {
    if (finished.has(name)) continue
    lost.throwIfAborted()
    const startedAt = now()
    const outcome = await steps[name].run(context)
    if (outcome.kind === 'failure') return { code: outcome.code, detail: outcome.detail }
    const { result } = outcome
    await insertStepResult(db, hold, {
      step: name,
      attempt: hold.attempt,
      result,
      durationMs: now() - startedAt,
      finishedAt: now(),
    })
  }
  return undefined
}

async function end(hold: Hold, failure: Failure, { db, now }: Pick<ProcessParts, 'db' | 'now'>): Promise<JobOutcome> {
  return (await failFile(db, hold, failure, now())) ? 'failed' : 'nothing-to-do'
}
