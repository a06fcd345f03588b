import type { Clock, RateLimiter } from '../core/ports.ts'
import type { RateBucket, RateVerdict } from '../core/rate-limit.ts'
import type { RateLimiterObject } from './rate-limiter-object.ts'

/** Counts in a Durable Object for each domain: one call takes all buckets of a request. */
export class DurableRateLimiter implements RateLimiter {
  readonly #objects: DurableObjectNamespace<RateLimiterObject>
  readonly #now: Clock

  constructor(objects: DurableObjectNamespace<RateLimiterObject>, now: Clock) {
    this.#objects = objects
    this.#now = now
  }

  async take(domainId: string, buckets: readonly RateBucket[]): Promise<RateVerdict> {
    return this.#objects.getByName(domainId).take(buckets, this.#now())
  }
}
