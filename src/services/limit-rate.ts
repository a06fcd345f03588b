import type { Log, RateLimiter } from '../core/ports.ts'
import type { RateBucket, RateVerdict } from '../core/rate-limit.ts'

export interface LimitRateParts {
  rateLimiter: RateLimiter
  log: Log
}

/** A limiter that takes longer than this is as good as none. */
const longestWaitMs = 1_000

/**
 * Counts a request in these buckets. Null when the limiter can't say in time: then the request passes, since a domain
 * that nobody can use is worse than one that is used too much for a while.
 */
export async function limitRate(
  { rateLimiter, log }: LimitRateParts,
  domainId: string,
  buckets: readonly RateBucket[],
): Promise<RateVerdict | null> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const tooLate = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`No answer within ${longestWaitMs} ms`)), longestWaitMs)
  })
  try {
    return await Promise.race([rateLimiter.take(domainId, buckets), tooLate])
  } catch (error) {
    log('error', 'limiter-failed', { domainId, error })
    return null
  } finally {
    clearTimeout(timer)
  }
}
