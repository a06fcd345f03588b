import type { JobKind } from './job.ts'

/** A job that its queue has given up. Its row is not lost: the reconciler publishes it again when it is due. */
export interface DeadLetter {
  id: string
  kind: JobKind
  /** The row the job was for: of kind `process` it is an uploaded file. */
  rowId: string
  domainId: string
  generation: number
  publish: number
  /** What the queue knows of the last try. */
  reason: string
  /** Milliseconds since 1970. */
  createdAt: number
  retriedAt: number | null
}
