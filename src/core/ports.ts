import type { Progress } from './file-event.ts'
import type { Job } from './job.ts'
import type { Located } from './jurisdiction.ts'
import type { LogLevel } from './log-line.ts'
import type { RateBucket, RateVerdict } from './rate-limit.ts'
import type { Span, TraceHeaders } from './trace-context.ts'
import type { OpenWatch, Watch } from './watch.ts'
import type { CalledPart, Caller, WorkKind, WorkNotes, WorkRecord } from './work-record.ts'

/** Where jobs are put. One contract suite (`test/job-queue/contract.ts`) holds for every implementation. */
export interface JobQueue {
  /**
   * Puts the jobs on the queue in one call. A job may be delivered more than once, late, and in any order.
   * `delaySeconds` is at most 600: a longer wait lives in the row and is published when it is due.
   * Throws when the queue did not confirm; the rows stay due and the reconciler publishes them again.
   */
  publish(jobs: readonly Job[], options?: { delaySeconds?: number }): Promise<void>
}

/** Counts requests. One contract suite (`test/rate-limiter/contract.ts`) holds for every implementation. */
export interface RateLimiter {
  /**
   * Takes one request out of every bucket of a domain, or out of none: the first that is full refuses it. However many
   * ask at once, no more than `limit` pass. Throws when it can't say.
   */
  take(domainId: string, buckets: readonly RateBucket[]): Promise<RateVerdict>
}

/** Those who watch a domain live. */
export interface Watchers {
  /**
   * Says that something has happened in a domain: there are new rows in `file_events`. Never throws, and nobody waits for
   * it: a hint that is lost makes an event arrive two seconds later.
   */
  hint(domainId: string): void
  /** Says how far a file is; the same, except that nobody asks for what is lost. A few times a second are enough. */
  progress(domainId: string, progress: Progress): void
  /**
   * Begins to watch. Throws `busy` when too many watch the domain, `too-many-watchers` when the client does, and
   * `Unavailable` when it could not begin.
   */
  open(domain: Located & { id: string }, watch: Watch): Promise<OpenWatch>
}

/** Writes one structured line. `event` is a stable name in kebab-case; `fields` holds plain JSON. */
export type Log = (level: LogLevel, event: string, fields?: Record<string, unknown>) => void

/** Called when a call to a part begins; what it returns is called when that ends, and told if the part did not do its work. */
export type Meter = (part: CalledPart) => (failed?: 'failed') => void

/** For what runs outside of any piece of work that is written down. */
export const unmeasured: Meter = () => () => {}

/** A piece of work that goes on: a request, a job, or what else leaves a line in the log. */
export interface Work {
  note(notes: WorkNotes): void
  /** What is known of it by now. */
  record(): WorkRecord
  /**
   * Says that its answer is there. `conclude` gets what is known of it once everything is over that it has begun, or 20
   * seconds later what is known by then; at once where nothing outlives the answer. Its duration is until the answer.
   * `waitUntil` keeps the invocation alive for that long.
   */
  end(waitUntil: (promise: Promise<unknown>) => void, conclude: (record: WorkRecord) => void): void
}

/** Where code says what the piece of work is about that it runs in, without being handed it. */
export interface Journal {
  /** Runs a piece of work under a record and a span of its own. `before`: the span that has led to it. */
  run<T>(kind: WorkKind, of: { requestId?: string | null; before?: Span | null }, work: (work: Work) => T): T
  /** Adds to what is known of the work that runs now; the last word about each thing counts. */
  note(notes: WorkNotes): void
  /** Makes the work that runs now a part of the trace that its row has brought, if it has one. */
  join(trace: TraceHeaders): void
  /** Notes what may go on after the answer of the work that runs now. */
  outlive(promise: Promise<unknown>): void
  /** The trace that the work which runs now belongs to, for what it makes. */
  trace(): TraceHeaders
  /** The work that runs now, for what it calls in another isolate. */
  caller(): Caller
}

/** Takes note of a piece of work that has ended, for the metrics. Never throws, and nobody waits for it. */
export type Report = (record: WorkRecord) => void

/** Milliseconds since 1970, passed in wherever time matters. */
export type Clock = () => number

/**
 * What DNS has for a name in TXT records: their values, each joined of its strings; a name without such a record; no such
 * name; name servers that do not answer as they should (SERVFAIL and its like); or a resolver that could not be asked.
 */
export type TxtAnswer =
  | { kind: 'found'; values: string[] }
  | { kind: 'no-record' }
  | { kind: 'no-name' }
  | { kind: 'failed'; reason: string }
  | { kind: 'unreachable'; reason: string }

/** Looks the TXT records of a name up. Never throws. */
export type TxtLookup = (name: string) => Promise<TxtAnswer>

/** The formats that pictures are made in, by their media type. */
export type PictureType = 'image/jpeg' | 'image/png' | 'image/webp' | 'image/avif'

/** What a picture is to be made into. */
export interface PictureForm {
  type: PictureType
  /** Pixels; undefined follows from the other by the picture's own proportions. */
  width: number | undefined
  height: number | undefined
  fit: 'scale-down' | 'contain' | 'cover' | 'crop' | 'pad' | 'squeeze'
  /** 1 … 100, where the format loses something. */
  quality: number
  /** The most bytes that it may have. */
  maxBytes: number
}

/** `unreadable`: damaged, or of a form that is not decoded here. `too-large`: it would have more than `maxBytes`. */
export type PictureAnswer = { kind: 'made'; bytes: Uint8Array } | { kind: 'unreadable' } | { kind: 'too-large' }

/** Makes a still picture, without metadata, out of another one. */
export interface PictureMaker {
  /** `open` streams the picture, and may be called twice. Throws when it could not be told this time. */
  make(open: () => Promise<ReadableStream<Uint8Array>>, form: PictureForm): Promise<PictureAnswer>
}

/** Which program has looked for malware, and how old its signatures are. */
export interface ScannerVersion {
  /** Such as `ClamAV 1.4.6`. */
  engine: string
  /** The number of its database of signatures, and when that was made (milliseconds since 1970), where it tells. */
  signatures: { number: number; madeAt: number | null } | null
}

/**
 * `clean` says that every byte was looked at and nothing found. `unclear` is everything that is neither: an error, a
 * limit, a timeout, a lost connection, an answer that is not understood; `reason` is for the operator.
 */
export type ScanAnswer =
  | { kind: 'clean'; version: ScannerVersion | null }
  | { kind: 'infected'; signature: string }
  | { kind: 'unclear'; reason: string }

/** Looks for malware. */
export interface MalwareScanner {
  /** Reads `bytes` to their end, of which there must be `size`. Never throws: what fails is `unclear`. */
  scan(
    bytes: ReadableStream<Uint8Array>,
    terms: { size: number; signal: AbortSignal; progress(sentBytes: number): void },
  ): Promise<ScanAnswer>
}
/** What is posted to somebody outside. */
export interface SignedMessage {
  readonly url: string
  /** The same for each attempt: what a receiver tells a repeat by. */
  readonly id: string
  /** JSON. */
  readonly body: string
  /** What it is signed with, each as `whsec_…`: one signature for each, the first is the current one. */
  readonly secrets: readonly string[]
}

/** What came of one attempt. `body` is the beginning of the answer's. */
export type PostOutcome = { readonly durationMs: number } & (
  | {
      readonly kind: 'answered'
      readonly status: number
      readonly retryAfterSeconds: number | null
      readonly body: string
    }
  | { readonly kind: 'failed'; readonly reason: string }
)

/** Posts one message, once, to a URL that has been judged. Never throws. */
export type PostSigned = (message: SignedMessage) => Promise<PostOutcome>
