import { Unavailable } from '../core/errors.ts'

/**
 * What a session answers. When it could not, since its object is reset for new code, overloaded or not reached, that is
 * thrown as `Unavailable`; an error of the session's own code is thrown as it is.
 */
export async function orTrouble<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    throw isOwnFault(error) ? error : new Unavailable('The session did not answer.', { cause: error })
  }
}

/** What the runtime marks an error with that comes from an object, or from the way there. */
interface Marks {
  /** It was thrown over there. */
  remote?: boolean
  retryable?: boolean
  overloaded?: boolean
  durableObjectReset?: boolean
}

/** What was thrown here, or over there without a word of the platform's, was thrown by code of ours. */
function isOwnFault(error: unknown): boolean {
  if (!(error instanceof Error)) return true
  const { remote, retryable, overloaded, durableObjectReset } = error as Error & Marks
  if (retryable || overloaded || durableObjectReset) return false
  // The runtime keeps to itself what went wrong inside of it.
  if (/^internal error\b/.test(error.message)) return false
  return remote === true || error instanceof TypeError || error instanceof RangeError
}
