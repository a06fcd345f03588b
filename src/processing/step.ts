import type { z } from 'zod'
import type { Metadata } from '../core/metadata.ts'
import type { StepRefusal } from '../core/step-run.ts'
import type { ByteRange } from '../storage/object-storage.ts'

/** What a step is told of the file. */
export interface StepFile {
  readonly id: string
  readonly domainId: string
  readonly filename: string
  /** The media type that the bytes show. */
  readonly type: string
  /** Bytes. */
  readonly size: number
  /** Hexadecimal, as it was computed while the file came in. */
  readonly sha256: string
  /** Set when all of its bytes are text in UTF-8. */
  readonly charset: 'utf-8' | null
  readonly metadata: Metadata
  readonly generation: number
}

/** A smaller or other form of a file, that a step has made of it. */
export interface NewVariant {
  /** Under which it is served: `/v1/uploads/{id}/variants/{name}`. */
  name: string
  type: string
  /** Pixels, of a picture. */
  width?: number
  height?: number
}

/** What a step may see and do. */
export interface StepContext<Options = unknown> {
  readonly file: StepFile
  /** Under which name the policy has this step. */
  readonly name: string
  readonly options: Options
  /** Which attempt of this generation this is, from 1. Going on after `continue` or `wait` is no new one. */
  readonly attempt: number
  /** What this step has left for itself in this generation by `continue` or `wait`; null when it begins. */
  readonly state: unknown
  /**
   * What came from outside while the step waited; null when nothing (yet) did. Given to one run only: what the next needs
   * of it goes into `state`.
   */
  readonly answer: unknown
  /** Aborted when somebody else has taken over; what is still written then is not kept. */
  readonly signal: AbortSignal
  /** Milliseconds since 1970. */
  now(): number
  /** Streams the object, or a range of it, from storage; null when it is not there. */
  read(range?: ByteRange): Promise<ReadableStream<Uint8Array> | null>
  /** Stores a variant. It is shown once the step has come to its result, in place of all that the step made before. */
  writeVariant(variant: NewVariant, bytes: Uint8Array): Promise<void>
  /** Tells those who watch how far the step is, 0 … 1. Costs little: most calls do nothing. */
  progress(fraction: number): void
}

/**
 * What a step came to.
 * - `result`: facts to record, JSON.
 * - `verdict`: the file is no good, which ends its processing: `failed`, or `quarantined` where it may be dangerous.
 * - `retry`: it could not be told this time; an attempt is used up, and another follows later. Where there was an answer
 *   from outside, it is used up too, and so is `state`: the next attempt asks anew.
 * - `continue`: there is more to do than one job should; the next job goes on from `state`.
 * - `wait`: nobody works on the file until an answer comes from outside, or it is `until` (milliseconds since 1970): then
 *   the step runs again with `state`, and with the answer if there is one.
 */
export type StepOutcome =
  | { kind: 'result'; result: Record<string, unknown> }
  | ({ kind: 'verdict' } & StepRefusal)
  | { kind: 'retry'; detail: string }
  | { kind: 'continue'; state: unknown }
  | { kind: 'wait'; state: unknown; until: number }

/**
 * One named piece of processing. It may run more than once for the same file, so it must come to the same end each
 * time. What it throws is taken for a passing trouble, and the file is tried again later.
 */
export interface StepDefinition<Options> {
  readonly name: string
  /** What may stand in the policy as its options, each described with unit and default. `{}` must fit, or say why not. */
  readonly options: z.ZodType<Options>
  /** Which files it is for, by their media type; the others pass it by. */
  accepts(type: string, options: Options): boolean
  /** Whether content may not be served before this step has ended. */
  readonly forbidsEarlyReading?: boolean
  /** The names of the variants that it makes with these options: no two steps of a policy may make the same one. */
  variantNames?(options: Options): readonly string[]
  /** Why this deployment can't run it, and what its operator has to configure. */
  readonly unavailable?: string
  run(context: StepContext<Options>): Promise<StepOutcome>
}

/** A step whose options are checked by whoever calls it, with its own `options`. */
export type Step = StepDefinition<unknown>

/** Every step of a deployment, by its name. */
export type Steps = Readonly<Record<string, Step>>

/** Writes a step down with the type of its own options. */
export function defineStep<Options>(definition: StepDefinition<Options>): Step {
  return definition as unknown as Step
}
