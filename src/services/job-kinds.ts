import type { Job, JobKind } from '../core/job.ts'
import type { Database } from '../db/database.ts'
import { makeDue, takeJob } from '../db/uploaded-files/due.ts'
import { makeDeliveryDue, takeDelivery } from '../db/webhooks/due.ts'
import type { Place } from './place.ts'
import { type ProcessParts, processUpload } from './process-upload.ts'
import { type DeliverParts, deliverWebhook } from './webhooks/deliver-webhook.ts'

/** What running any job needs, beside where its domain keeps its rows. */
export type JobParts = Omit<ProcessParts & DeliverParts, keyof Place>

/** Which pass of which row of a domain. */
type RowPass = Pick<Job, 'id' | 'domainId' | 'generation'>

/** What a kind of job does with its row. */
interface JobHandler {
  /** What the log calls the row's id. */
  readonly rowName: string
  /** Does the work, and says in a word what it came to. Throws only when the row can't be reached. */
  run(job: Job, parts: JobParts & Place): Promise<string>
  /** Makes the row's job due now, if it still waits in this pass: its delivery has failed for good. */
  makeDue(db: Database, row: RowPass, now: number): Promise<void>
  /** Takes the row's next publish before it is due. Undefined: the row waits for none. */
  take(db: Database, row: RowPass, now: number): Promise<Job | undefined>
}

/** Every kind of job there is. */
export const handlers: Readonly<Record<JobKind, JobHandler>> = {
  process: { rowName: 'uploadId', run: processUpload, makeDue, take: takeJob },
  deliver: { rowName: 'deliveryId', run: deliverWebhook, makeDue: makeDeliveryDue, take: takeDelivery },
}
