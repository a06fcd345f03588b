import type { Job } from '../core/job.ts'
import type { JobQueue, Log } from '../core/ports.ts'

/**
 * Puts jobs on the queue. Never throws: each row says itself when its job is due again, so what the queue did not take
 * now is published by the reconciler, and an upload never fails because the queue did.
 */
export async function publishJobs(
  { queue, log }: { queue: JobQueue; log: Log },
  jobs: readonly Job[],
  options: { delaySeconds?: number } = {},
): Promise<void> {
  if (jobs.length === 0) return
  try {
    await queue.publish(jobs, options)
  } catch (error) {
    log('warn', 'publish-failed', {
      jobs: jobs.length,
      firstKind: jobs[0]?.kind,
      firstRowId: jobs[0]?.id,
      error,
    })
  }
}
