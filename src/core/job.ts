import { z } from 'zod'

/**
 * What a job is for: `process` takes an uploaded file through its steps, `deliver` sends one delivery of a webhook.
 * `services/job-kinds.ts` knows what to do for each.
 */
export const jobKinds = ['process', 'deliver'] as const
export type JobKind = (typeof jobKinds)[number]

/**
 * One unit of background work. It names a row and carries no data of its own, so a duplicate, a late or a forged-looking
 * job can do no more than make a worker look at a row.
 */
export const jobSchema = z.object({
  /** A job that was put on its queue before there were kinds is for processing. */
  kind: z.enum(jobKinds).default('process'),
  /** The row that the job is for; which table it stands in, the kind tells. */
  id: z.uuid(),
  /** The domain it belongs to: it tells which database holds the row. */
  domainId: z.uuid(),
  /** Which pass of the row the job was published for, such as a file's generation. */
  generation: z.int().min(1),
  /** How many times this generation has been published, this time included. */
  publish: z.int().min(1),
  /** The file's size, where there is much to read: lets a queue keep long jobs out of places where there is little time. A hint, and nothing more. */
  bytes: z.int().min(0).default(0),
})

export type Job = z.infer<typeof jobSchema>

/**
 * Names one publish of one job, for queues that drop duplicates. QStash remembers an id for 90 days, so every publish
 * has its own: a redelivery that the reconciler asks for must never be swallowed as a duplicate of the first.
 */
export function deduplicationId(job: Job): string {
  return `${job.kind}.${job.id}.${job.generation}.${job.publish}`
}
