import { isBrokenConnection, isRefusedConnection } from './exchange.ts'

/** How one try of a request failed: by an answer, or without one. */
export type FailedTry = { status: number; retryAfter: string | undefined } | { error: unknown }

const firstDelayMs = 500
/** A server that asks for a longer wait is one to come back to later, by hand. */
const longestDelayMs = 60_000

/**
 * When a request may be sent again: always, because it changes nothing or carries an `Idempotency-Key`; only when the
 * server says that it has done nothing; or never, because its body can be read once.
 */
export type Repeatable = 'always' | 'when-undone' | 'never'

/**
 * How many milliseconds to wait before a request is sent again, or null when it must not be. `tries` counts those made.
 * 429 says that nothing was done. 503, a key whose first request still runs (409 with `Retry-After`) and a connection
 * that broke don't: after those, only what is repeatable always goes again.
 */
export function retryDelayMs(
  failed: FailedTry,
  { tries, repeatable, now }: { tries: number; repeatable: Repeatable; now: number },
): number | null {
  if (repeatable === 'never') return null
  const isSafe = repeatable === 'always'
  const backoffMs = firstDelayMs * 2 ** (tries - 1)
  if ('error' in failed) {
    const mayPass = isBrokenConnection(failed.error) || (tries > 1 && isRefusedConnection(failed.error))
    return isSafe && mayPass ? backoffMs : null
  }
  const { status, retryAfter } = failed
  const askedMs = parseRetryAfter(retryAfter, now)
  const mayPass = status === 429 || (isSafe && (status === 503 || (status === 409 && askedMs !== null)))
  const delayMs = Math.max(askedMs ?? backoffMs, 0)
  return mayPass && delayMs <= longestDelayMs ? delayMs : null
}

/** `Retry-After` (RFC 9110 §10.2.3), seconds or a date, as milliseconds from now. */
function parseRetryAfter(value: string | undefined, now: number): number | null {
  if (value === undefined) return null
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000
  const time = Date.parse(value)
  return Number.isNaN(time) ? null : time - now
}
