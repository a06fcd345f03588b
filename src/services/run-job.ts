import { v7 as uuidv7 } from 'uuid'
import { type Job, jobSchema } from '../core/job.ts'
import type { Journal, Log, Report } from '../core/ports.ts'
import { lineFields } from '../core/work-record.ts'
import { insertDeadLetter } from '../db/dead-letters.ts'
import { handlers, type JobParts } from './job-kinds.ts'
import type { DomainPlace } from './place.ts'

/** What running jobs needs: the shared parts, and where each domain keeps its rows. */
export interface RunJobParts extends JobParts {
  /** Null when there is no such domain (any more). */
  placeOf(domainId: string): Promise<DomainPlace | null>
  journal: Journal
  report: Report
}

/**
 * Runs a job as any queue delivers it, as a piece of work of its own: it leaves one line in the log. Returns false for what
 * is no job at all, which delivering again would not mend; throws when the job should be delivered again because its row could not be reached.
 */
export async function runJob(parts: RunJobParts, message: unknown): Promise<boolean> {
  const job = parseJob(parts.log, message)
  if (!job) return false
  const { journal, log, report } = parts
  const { kind, id, domainId, generation, publish } = job
  const { rowName, run } = handlers[kind]
  return journal.run('job', {}, async (work) => {
    work.note({ kind, [rowName]: id, domainId, generation, publish })
    try {
      const place = await parts.placeOf(domainId)
      if (place) work.note({ domain: place.slug })
      const outcome = place ? await run(job, { ...parts, ...place }) : 'nothing-to-do'
      work.note({ outcome })
      log('info', 'job-done', lineFields(work.record()))
      return true
    } catch (error) {
      work.note({ outcome: 'not-run' })
      log('error', 'job-not-run', { ...lineFields(work.record()), error })
      throw error
    } finally {
      report(work.record())
    }
  })
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
    domainId,
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
