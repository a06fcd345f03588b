import type { StepName } from '../core/policy.ts'
import type { ByteRange } from '../storage/object-storage.ts'

/** What a step may see and do. */
export interface StepContext {
  readonly file: {
    readonly id: string
    readonly filename: string
    readonly type: string
    readonly size: number
    /** Hexadecimal, as it was computed while the file came in. */
    readonly sha256: string
  }
  /** Aborted when somebody else has taken over; what is still written then is not kept. */
  readonly signal: AbortSignal
  /** Streams the object, or a range of it, from storage; null when it is not there. */
  read(range?: ByteRange): Promise<ReadableStream<Uint8Array> | null>
}

/** What a step found: facts to record, or why the file is no good, which ends its processing. */
export type StepOutcome =
  | { kind: 'result'; result: Record<string, unknown> }
  | { kind: 'failure'; code: string; detail: string }

/**
 * One named piece of processing. It may run more than once for the same file, so it must come to the same end each
 * time. What it throws is taken for a passing trouble, and the file is tried again later.
 */
export interface Step {
  readonly name: StepName
  run(context: StepContext): Promise<StepOutcome>
}
