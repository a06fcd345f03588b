/** A job that its queue has given up. Its row is not lost: the reconciler publishes it again when it is due. */
export interface DeadLetter {
  id: string
  /** The uploaded file the job was for. */
  fileId: string
  domainId: string
  generation: number
  publish: number
  /** What the queue knows of the last try. */
  reason: string
  /** Milliseconds since 1970. */
  createdAt: number
  retriedAt: number | null
}
