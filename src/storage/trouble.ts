import { Unavailable } from '../core/errors.ts'
import type { Meter } from '../core/ports.ts'

/** R2's codes for trouble of its own: an internal error, no service, a connection that broke, and too many requests. */
const ownTroubles = new Set(['10001', '10043', '10054', '10058'])

/** What R2 answers. Its own trouble is thrown as `Unavailable`; an error in what it was asked is thrown as it is. */
export async function orTrouble<T>(meter: Meter, answer: Promise<T>): Promise<T> {
  const end = meter('r2')
  try {
    const value = await answer
    end()
    return value
  } catch (error) {
    const told = asTrouble(error)
    end(told instanceof Unavailable ? 'failed' : undefined)
    throw told
  }
}

/** An error of R2's as it is to be thrown: its own trouble as `Unavailable`, an error in what it was asked as it is. */
export function asTrouble(error: unknown): unknown {
  return isOwnFault(error) ? error : new Unavailable('R2 did not do its work.', { cause: error })
}

/** 10024: an upload that was completed, aborted or never started. */
export function isUnknownUpload(error: unknown): boolean {
  return codeOf(error) === '10024'
}

/** Whether R2 no longer has an upload, or not the parts (10025) that it has confirmed before. */
export function isLostUpload(error: unknown): boolean {
  return isUnknownUpload(error) || codeOf(error) === '10025'
}

/** What has no code did not come from R2, but from the way there. */
function isOwnFault(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof TypeError || error instanceof RangeError) return true
  const code = codeOf(error)
  return code !== undefined && !ownTroubles.has(code)
}

/** R2 ends its messages with a code: "put: … (10012)". */
function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? /\((\d{5})\)$/.exec(error.message)?.[1] : undefined
}
