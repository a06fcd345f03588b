import {
  leaseSeconds,
  maxAttempts,
  maxQueueDelaySeconds,
  publishIntervalSeconds,
  retryDelaySeconds,
} from '../core/backoff.ts'
import type { Job } from '../core/job.ts'
import type { Journal, Watchers } from '../core/ports.ts'
import type { StepRefusal } from '../core/step-run.ts'
import type { UploadedFile } from '../core/uploaded-file.ts'
import { takePostponedJob } from '../db/uploaded-files/due.ts'
import { completeFile, refuseFile, retryFile } from '../db/uploaded-files/finish.ts'
import { leaseFile, pauseFile, postponeFile } from '../db/uploaded-files/lease.ts'
import type { Hold } from '../db/uploaded-files/move.ts'
import { keepLease } from './keep-lease.ts'
import { publishJobs } from './publish-jobs.ts'
import { type RunStepsParts, runSteps } from './run-steps.ts'
import { endQuiet, type TellParts, tellWebhooks } from './webhooks/tell-webhooks.ts'

export interface ProcessParts extends RunStepsParts, TellParts {
  journal: Pick<Journal, 'note' | 'join'>
  watchers: Pick<Watchers, 'hint' | 'progress'>
  /** The most files of one domain at once; null where the queue sees to that. */
  maxRunning: number | null
  /** 0 … 1, for spreading retries. */
  random(): number
}

/**
 * What a job came to. `paused`: a step goes on in another job. `nothing-to-do`: a duplicate, a late one, or one for a file
 * that has moved on. `postponed`: its domain has as many files running as it may have.
 */
export type JobOutcome = 'complete' | 'failed' | 'quarantined' | 'paused' | 'retry' | 'postponed' | 'nothing-to-do'

/**
 * Takes a file through the steps of its domain's policy. Delivered twice, a job does its work once: only one delivery
 * gets the lease, and only who still holds it can write the end. Throws only when the row itself can't be reached.
 */
export async function processUpload(job: Job, parts: ProcessParts): Promise<JobOutcome> {
  const { db, now, maxRunning } = parts
  const terms = { now: now(), leaseMs: leaseSeconds * 1000, maxRunning }
  const file = await leaseFile(db, job, terms)
  if (file) {
    parts.journal.join(file.trace)
    parts.journal.note({ attempt: file.attempts })
    // Of this one somebody is to be told, whatever was found of its domain before.
    if (file.callbackUrl !== null) endQuiet(parts, file.domainId)
    await tell(file.domainId, parts)
    const outcome = await work(file, parts)
    await tell(file.domainId, parts)
    if (maxRunning !== null) await giveRoom(file.domainId, parts)
    return outcome
  }
  if (maxRunning === null) return 'nothing-to-do'
  const publishAt = now() + publishIntervalSeconds(1) * 1000
  return (await postponeFile(db, job, { ...terms, maxRunning }, publishAt)) ? 'postponed' : 'nothing-to-do'
}

/** Something has happened in a domain: who watches hears of it at once, and webhooks get their deliveries. */
async function tell(domainId: string, parts: ProcessParts): Promise<void> {
  parts.watchers.hint(domainId)
  await tellWebhooks(parts, domainId)
}

/** Runs the steps of a leased file and ends its attempt. */
async function work(file: UploadedFile, parts: ProcessParts): Promise<JobOutcome> {
  const { db, now, log } = parts
  const hold: Hold = {
    domainId: file.domainId,
    id: file.id,
    generation: file.generation,
    attempt: file.attempts,
    leaseNumber: file.leaseNumber,
  }
  const keeper = keepLease({ db, now }, hold)
  try {
    const outcome = await runSteps(file, hold, keeper.lost, parts)
    if (outcome.kind === 'refused') return await refuse(hold, outcome.refusal, parts)
    if (outcome.kind === 'paused') return await pause(hold, outcome.until, parts)
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
    return refuse(
      hold,
      {
        verdict: 'failed',
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

/** Lets go of a file whose steps are not through, and sees to the job that goes on with it. */
async function pause(hold: Hold, until: number | null, parts: ProcessParts): Promise<JobOutcome> {
  const paused = await pauseFile(parts.db, hold, parts.now(), until)
  if (!paused) return 'nothing-to-do'
  // A wait is over when its answer comes, or else the reconciler publishes the job at its end.
  if (paused.isDue) await publishJobs(parts, [paused.job])
  return 'paused'
}

async function refuse(
  hold: Hold,
  refusal: StepRefusal,
  { db, now }: Pick<ProcessParts, 'db' | 'now'>,
): Promise<JobOutcome> {
  return (await refuseFile(db, hold, refusal, now())) ? refusal.verdict : 'nothing-to-do'
}
