import type { ExpectedDigests } from '../../core/digest.ts'
import { Refusal } from '../../core/errors.ts'
import type { Metadata } from '../../core/metadata.ts'
import type { OutboundRules } from '../../core/outbound-url.ts'
import type { Clock, JobQueue, Journal, Log } from '../../core/ports.ts'
import type { UploadedFile } from '../../core/uploaded-file.ts'
import type { Database } from '../../db/database.ts'
import type { BufferPool } from '../../ingest/buffer-pool.ts'
import type { ByteSource } from '../../multipart/byte-source.ts'
import type { ObjectStorage } from '../../storage/object-storage.ts'

/** What receiving needs: the domain's own database and bucket, and what the whole isolate shares. */
export interface IntakeParts {
  db: Database
  storage: ObjectStorage
  pool: BufferPool
  queue: JobQueue
  now: Clock
  log: Log
  journal: Pick<Journal, 'note' | 'trace'>
  /** Which URLs of others may be called. */
  outboundRules: OutboundRules
  /** Lets a promise outlive the answer. */
  defer(promise: Promise<unknown>): void
}

/** A file as the request announces it. */
export interface Announcement {
  /** The form field it came in; empty for a raw body. */
  field: string
  filename: string
  /** The essence of its declared type; null when there is none. */
  declaredType: string | null
  digests: ExpectedDigests
  /** The most bytes it can have, as far as that is known. */
  atMostBytes: number | null
  /** Its exact length, where the protocol says it; that much quota is reserved for a large file while it arrives. */
  declaredBytes: number | null
}

/** What all files of a request have in common. */
export interface CommonDetails {
  metadata: Metadata
  /** Who is told once when each of them ends; null for nobody. */
  callbackUrl: string | null
}

/** What became of one file of a request. */
export type FileOutcome = { upload: UploadedFile } | { filename: string; refusal: Refusal }

/** Where the files of one request go. Either `commit` or `discard` ends it. */
export interface Reception {
  /** How many files it has taken. */
  readonly count: number
  /** Whether it has taken files and refused them all, so that nothing would be accepted if no other came. */
  readonly isRefused: boolean
  /**
   * Takes one file. A refusal that concerns this file alone is noted as its outcome; what concerns the whole request
   * (the body broke off, the domain may not accept) is thrown.
   */
  take(source: ByteSource, announced: Announcement): Promise<void>
  /** Accepts what was taken. Returns one outcome a file, in the order sent. */
  commit(details: CommonDetails): Promise<FileOutcome[]>
  /** Ends a request that failed with this error; nothing of it is kept. Never throws. */
  discard(because: unknown): Promise<void>
}

const ownRefusals: ReadonlySet<string> = new Set([
  'file-too-large',
  'type-not-allowed',
  'type-contradicted',
  'extension-not-allowed',
  'digest-mismatch',
])

/** Whether an error leaves out its file only, while the others of the request go on. */
export function concernsOneFile(error: unknown): error is Refusal {
  return error instanceof Refusal && ownRefusals.has(error.code)
}
