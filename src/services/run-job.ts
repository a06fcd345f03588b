import { v7 as uuidv7 } from 'uuid'
import { type Job, jobSchema } from '../core/job.ts'
import type { Log } from '../core/ports.ts'
import { insertDeadLetter } from '../db/dead-letters.ts'
import { handlers, type JobParts } from './job-kinds.ts'
import type { Place } from './place.ts'

/** What running jobs needs: the shared parts, and where each domain keeps its rows. */
export interface RunJobParts extends JobParts {
  /** Null when there is no such domain (any more). */
  placeOf(domainId: string): Promise<Place | null>
}

/**
 * Runs a job as any queue delivers it. Returns false for what is no job at all, which delivering again would not mend;
 * throws when the job should be delivered again because its row could not be reached.
 */
export async function runJob(parts: RunJobParts, message: unknown): Promise<boolean> {
  const job = parseJob(parts.log, message)
  if (!job) return false
  const { rowName, run } = handlers[job.kind]
  try {
    const place = await parts.placeOf(job.domainId)
    const outcome = place ? await run(job, { ...parts, ...place }) : 'nothing-to-do'
    parts.log('info', 'job-done', {
      kind: job.kind,
      [rowName]: job.id,
      generation: job.generation,
      publish: job.publish,
      outcome,
    })
    return true
  } catch (error) {
    parts.log('error', 'job-not-run', { kind: job.kind, [rowName]: job.id, error })
    throw error
  }
}

/**
 * Takes note of a job that its queue has given up: it becomes a dead letter, and its row is due at once, so that the
 * reconciler publishes it anew.
 */
export async function noteDeadJob(
  { placeOf, now, log }: Pick<RunJobParts, 'placeOf' | 'now' | 'log'>,
  message: unknown,
  reason: string,
): Promise<boolean> {
  const job = parseJob(log, message)
  if (!job) return false
  const { kind, id: rowId, domainId, generation, publish } = job
  const { rowName, makeDue } = handlers[kind]
  log('error', 'job-given-up', {
    kind,
    [rowName]: rowId,
    generation,
    publish,
    reason,
  })
  const place = await placeOf(domainId)
  if (!place) return true
  await insertDeadLetter(place.db, {
    id: uuidv7(),
    kind,
    rowId,
    domainId,
    generation,
    publish,
    reason: reason.slice(0, 500),
    createdAt: now(),
  })
  await makeDue(place.db, job, now())
  return true
}

function parseJob(log: Log, message: unknown): Job | null {
  const result = jobSchema.safeParse(message)
  if (!result.success) log('error', 'job-not-understood', { issues: result.error.issues })
  return result.success ? result.data : null
}
