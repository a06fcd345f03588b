import type { Span, TraceHeaders } from './trace-context.ts'

/** What is called outside of the isolate: R2, D1, the queue of jobs, and servers of others. */
export const calledParts = ['r2', 'd1', 'queue', 'post'] as const
export type CalledPart = (typeof calledParts)[number]

/** How often a part was called, how often it did not do its work, and how long the calls took in all. */
export interface CallTally {
  count: number
  failures: number
  ms: number
}

/** One step of a file's processing, as a job has run it. */
export interface StepNote {
  readonly step: string
  readonly outcome: string
  readonly ms: number
}

/** What is known of a piece of work. Its names become those of the fields of its log line. */
export interface WorkNotes {
  method?: string
  /** The pattern, and never the path: a path may hold a filename. */
  route?: string
  status?: number
  /** The domain's slug. */
  domain?: string
  domainId?: string
  uploadId?: string
  /** All of them, where a request has brought several. */
  uploadIds?: readonly string[]
  deliveryId?: string
  /** Bytes of the request's body that were read, and of the answer's where its length was known. */
  bytesIn?: number
  bytesOut?: number
  /** The problem's code, where the answer is one. */
  code?: string
  kind?: string
  generation?: number
  publish?: number
  attempt?: number
  steps?: readonly StepNote[]
  outcome?: string
}

/** What a piece of work is: a request, a job, a call of an upload session, or a sweep of the reconciler. */
export type WorkKind = 'request' | 'job' | 'session' | 'sweep'

/** The piece of work that a call comes from, as it crosses to another isolate. Plain JSON. */
export interface Caller {
  /** The request that all of it serves; null where there is none. */
  readonly requestId: string | null
  readonly trace: TraceHeaders
}

/** One piece of work, with what its calls to other parts have cost. */
export interface WorkRecord {
  readonly work: WorkKind
  readonly requestId: string | null
  readonly span: Span
  readonly durationMs: number
  readonly calls: Readonly<Record<CalledPart, Readonly<CallTally>>>
  readonly notes: Readonly<WorkNotes>
}

/** The fields of the line that a piece of work leaves in the log, beside those that say which work it is. */
export function lineFields({ notes, durationMs, calls }: WorkRecord): Record<string, unknown> {
  const fields: Record<string, unknown> = { ...notes, durationMs }
  for (const part of calledParts) {
    const { count, failures, ms } = calls[part]
    if (count === 0) continue
    fields[`${part}Count`] = count
    fields[`${part}Ms`] = ms
    if (failures > 0) fields[`${part}Failures`] = failures
  }
  return fields
}

/**
 * The value of `Server-Timing`: how long was waited for each part that was called before the answer, and the whole. Calls
 * that ran side by side count each for itself, so that they may come to more than the whole.
 */
export function serverTiming({ calls, durationMs }: Pick<WorkRecord, 'calls' | 'durationMs'>): string {
  const parts = calledParts.filter((part) => calls[part].count > 0).map((part) => `${part};dur=${calls[part].ms}`)
  return [...parts, `total;dur=${durationMs}`].join(', ')
}
