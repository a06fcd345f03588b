import { ConnectionError, StevedoreError, UnexpectedAnswer } from './errors.ts'

const firstDelayMs = 500
const longestDelayMs = 30_000
/** Who is asked to stay away for longer than this is told so, rather than kept waiting. */
const longestAskedSeconds = 60

/**
 * Whether a request may be sent again that may have had its effect already. `resumable`: it asks first how far it has come,
 * so that it is.
 */
export type Repeatable = 'always' | 'when-undone' | 'resumable'

/** An append that has met another one of its own upload, or has brought nothing for too long. */
const passingCodes: readonly string[] = ['offset-mismatch', 'append-superseded', 'body-timeout']

/**
 * How many milliseconds to wait before a request that failed is sent again; null: it must not be, or it would not help.
 * `tries` counts those made. 429 says that nothing was done. A connection that broke, 503, the 502 and 504 of a proxy,
 * and a key whose first request still runs don't: after those, only what is repeatable goes again. What is resumable does
 * after any failure of the server's.
 */
export function retryDelayMs(error: unknown, tries: number, repeatable: Repeatable): number | null {
  const askedSeconds = error instanceof StevedoreError ? error.retryAfterSeconds : null
  if (!mayPass(error, repeatable) || (askedSeconds ?? 0) > longestAskedSeconds) return null
  const backoffMs = Math.min(firstDelayMs * 2 ** (tries - 1), longestDelayMs)
  // Spread, so that clients that failed together do not return together.
  return Math.max((askedSeconds ?? 0) * 1000, backoffMs) * (1 + Math.random() / 4)
}

function mayPass(error: unknown, repeatable: Repeatable): boolean {
  const isSafe = repeatable !== 'when-undone'
  if (repeatable === 'resumable' && hasFailedOnTheWay(error)) return true
  if (error instanceof ConnectionError) return isSafe
  if (error instanceof UnexpectedAnswer)
    return error.status === 429 || (isSafe && [502, 503, 504].includes(error.status))
  if (!(error instanceof StevedoreError)) return false
  return error.status === 429 || (isSafe && (error.status === 503 || error.code === 'idempotency-in-progress'))
}

function hasFailedOnTheWay(error: unknown): boolean {
  if (error instanceof UnexpectedAnswer) return error.status >= 500
  return error instanceof StevedoreError && (error.status >= 500 || passingCodes.includes(error.code))
}

/** Throws the signal's reason when it aborts before the time is over. */
export function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const stop = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }, milliseconds)
    signal?.addEventListener('abort', stop, { once: true })
  })
}
