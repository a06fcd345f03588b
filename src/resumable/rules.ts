import { Refusal } from '../core/errors.ts'
import { inconsistentLength } from '../core/upload-length.ts'
import { fileTooLarge } from '../ingest/examination.ts'
import type { Append, Opening } from './session.ts'

/** What the rules need to know of a session. */
export interface Standing {
  readonly offset: number
  readonly length: number | null
  /** Whether the append that was said to be the last has come to its end. */
  readonly hasEnded: boolean
  readonly isComplete: boolean
}

/** What an append that may begin is held to. */
export interface Admitted {
  /** The upload's length as it is known from now on. */
  length: number | null
  /** How many bytes the append may bring. */
  mostBytes: number
  /** The answer to more of them: to so many, at least. */
  refuseMore(bytes: number): Refusal
}

/** Whether an append may begin, before a byte of it is read. Throws a refusal that changes nothing. */
export function admitAppend(
  standing: Standing,
  append: Pick<Append, 'offset' | 'declaredBytes' | 'length' | 'isLast'>,
  { filename, policy }: Pick<Opening, 'filename' | 'policy'>,
): Admitted {
  const { offset } = standing
  const { maxFileBytes, maxRequestBytes } = policy
  if (standing.hasEnded) requireUntouched(standing, append.declaredBytes)
  if (append.offset !== null && append.offset !== offset) throw offsetMismatch(offset, append.offset)
  let length = agreedLength(standing, append.length)
  const end = append.declaredBytes === null ? null : offset + append.declaredBytes
  if (length !== null && end !== null && end > length) throw new Overshoot(length, end)
  if (append.isLast) length = agreedLength({ offset, length }, end)
  if (length !== null && length > maxFileBytes) throw fileTooLarge(filename, maxFileBytes, length)
  const left = (length ?? maxFileBytes) - offset
  const mostBytes = Math.min(left, maxRequestBytes)
  const refuseMore = (bytes: number) => {
    if (bytes <= left) return requestTooLarge(maxRequestBytes, bytes)
    return length === null
      ? fileTooLarge(filename, maxFileBytes, offset + bytes)
      : new Overshoot(length, offset + bytes)
  }
  if (append.declaredBytes !== null && append.declaredBytes > mostBytes) throw refuseMore(append.declaredBytes)
  return { length, mostBytes, refuseMore }
}

/** The length that a session has, or is told now; two that differ can't both be true, nor can one below the offset. */
export function agreedLength(
  { offset, length }: Pick<Standing, 'offset' | 'length'>,
  told: number | null,
): number | null {
  if (told === null) return length
  if (length !== null && length !== told) throw inconsistentLength(length, told)
  if (told < offset) {
    const message = `The upload is to have ${told} bytes, and ${offset} are here already.`
    throw new Refusal('upload-length-inconsistent', message, { facts: { offset, value: told } })
  }
  return told
}

/** Lets nothing be added to an upload whose end has come; that it is the end may be said again until it is committed. */
function requireUntouched({ offset, isComplete }: Standing, declaredBytes: number | null): void {
  if (declaredBytes !== 0) {
    const message = `The upload is complete with ${offset} bytes; nothing can be added to it.`
    throw new Refusal('upload-length-inconsistent', message, { facts: { length: offset } })
  }
  if (isComplete) throw new Refusal('upload-completed', 'The upload is complete already.')
}

export function offsetMismatch(expected: number, provided: number): Refusal {
  return new Refusal('offset-mismatch', `The upload goes on at ${expected}, not at ${provided}.`, {
    facts: { 'expected-offset': expected, 'provided-offset': provided },
  })
}

export function superseded(): Refusal {
  return new Refusal(
    'append-superseded',
    'A newer request for this upload has come in. What had arrived by then is kept; ask for the offset.',
  )
}

export function notAppendable(): Refusal {
  return new Refusal('forbidden', 'This upload is joined of others. Nothing can be appended to it.')
}

/** An append that brings more than the length that was said. */
export class Overshoot extends Refusal {
  constructor(length: number, value: number) {
    super('upload-length-inconsistent', `The upload has ${length} bytes, and this goes beyond them.`, {
      facts: { length, value },
    })
  }
}

function requestTooLarge(limit: number, value: number): Refusal {
  return new Refusal(
    'request-too-large',
    `One append may bring ${limit} bytes here. Send the upload in smaller ones.`,
    {
      facts: { limit, value },
    },
  )
}

/** The answer where a session's time is over, or R2 has lost what it had of it. */
export function sessionEnded(): Refusal {
  return new Refusal('upload-deleted', 'This upload has ended before it was complete. Begin a new one.')
}
