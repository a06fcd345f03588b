import type { Metadata } from './metadata.ts'
import type { FileStatus } from './status.ts'
import type { TraceHeaders } from './trace-context.ts'

/** Over which of its doors a file came in. */
export type Protocol = 'multipart' | 'raw' | 'tus' | 'resumable'

/** Whether files come in over this door by any number of requests, each of which keeps what it brought. */
export function isResumable(protocol: Protocol): boolean {
  return protocol === 'tus' || protocol === 'resumable'
}

/** One uploaded file, as its row says. Times are milliseconds since 1970, sizes are bytes. */
export interface UploadedFile {
  readonly id: string
  readonly domainId: string
  readonly objectKey: string
  readonly filename: string
  /** What the client said it is; null when it said nothing. */
  readonly declaredType: string | null
  /** What it is. */
  readonly type: string
  /** In what encoding it is, as far as its bytes can show: all of them are valid UTF-8. Null where they are not. */
  readonly charset: 'utf-8' | null
  readonly size: number
  /** Hexadecimal; empty while `uploading`. */
  readonly sha256: string
  readonly status: FileStatus
  readonly generation: number
  readonly attempts: number
  /** How often a worker has taken it; each writes under its own number. */
  readonly leaseNumber: number
  readonly failure: { readonly code: string; readonly detail: string } | null
  readonly metadata: Metadata
  readonly protocol: Protocol
  /** Who is told once when a generation ends; null for nobody. Not shown to those who read the file. */
  readonly callbackUrl: string | null
  /** The request that it came in with, for what follows from it. Not shown. */
  readonly trace: TraceHeaders
  readonly lastEvent: number
  readonly createdAt: number
  readonly updatedAt: number
  readonly completedAt: number | null
}
