import { Refusal } from '../core/errors.ts'
import type { Clock, JobQueue, Log } from '../core/ports.ts'
import type { Database } from '../db/database.ts'
import { type AskedStep, keepStepAnswer } from '../db/step-runs.ts'
import { endPause } from '../db/uploaded-files/lease.ts'
import { publishJobs } from './publish-jobs.ts'

/**
 * Takes what came from outside for a step that waits for it, or is about to, and sees to the job that goes on. Throws
 * `status-conflict` when nobody waits (any more): the step has ended, has its answer, has asked anew in another attempt,
 * or the file has moved on.
 */
export async function answerStep(
  parts: { db: Database; queue: JobQueue; now: Clock; log: Log },
  step: AskedStep,
  answer: unknown,
): Promise<void> {
  if (!(await keepStepAnswer(parts.db, step, answer))) {
    throw new Refusal('status-conflict', `The step "${step.step}" of this upload waits for no answer.`)
  }
  // Undefined while the step is still at work: it finds the answer when it comes to wait.
  const job = await endPause(parts.db, step, parts.now())
  if (job) await publishJobs(parts, [job])
}
