import { type ErrorCode, isUnavailable, Refusal, type RefusalFacts } from '../core/errors.ts'
import type { Caller } from '../core/work-record.ts'
import type { Append } from './session.ts'

/** The header in which an append travels to its session, beside its body: a `SentAppend` as JSON. */
export const appendHeader = 'x-append'

export interface SentAppend {
  readonly append: Append
  readonly caller: Caller
}

/**
 * What a session answers. An error loses its class and its fields on the way from one isolate to another, so that a
 * refusal crosses as plain data.
 */
export type Outcome<Value> = { value: Value } | { refusal: PlainRefusal }

interface PlainRefusal {
  code: ErrorCode
  message: string
  facts: RefusalFacts
  retryAfterSeconds: number | null
}

/**
 * Runs something in the session. What nobody expected is thrown as it is; what the client is told as `unavailable` is
 * `noted` with its cause, which does not cross.
 */
export async function toOutcome<Value>(
  work: () => Promise<Value>,
  noted: (error: unknown) => void,
): Promise<Outcome<Value>> {
  try {
    return { value: await work() }
  } catch (error) {
    const refusal = error instanceof Refusal ? error : isUnavailable(error) ? storageUnavailable(error) : null
    if (!refusal) throw error
    if (refusal.code === 'unavailable') noted(refusal.cause ?? refusal)
    const { code, message, facts, retryAfterSeconds = null } = refusal
    return { refusal: { code, message, facts, retryAfterSeconds } }
  }
}

/** The value, or the refusal thrown again. */
export function fromOutcome<Value>(outcome: Outcome<Value>): Value {
  if ('value' in outcome) return outcome.value
  const { code, message, facts, retryAfterSeconds } = outcome.refusal
  throw new Refusal(code, message, { facts, ...(retryAfterSeconds === null ? {} : { retryAfterSeconds }) })
}

function storageUnavailable(cause: unknown): Refusal {
  return new Refusal(
    'unavailable',
    'The storage behind this did not answer just now. Ask for the offset in a moment, and go on from there.',
    { retryAfterSeconds: 5, cause },
  )
}
