import { Ratelimit } from '@upstash/ratelimit'
import { Redis } from '@upstash/redis/cloudflare'
import type { RateLimiter } from '../core/ports.ts'
import { type BucketState, type RateBucket, type RateVerdict, rateWindowSeconds } from '../core/rate-limit.ts'

const prefix = 'stevedore:rates'

/** Who asks has given up by then: this only ends what would hang. */
const requestTimeoutMs = 2_000

/** Counts in Upstash Redis, for deployments that have one. */
export class UpstashRateLimiter implements RateLimiter {
  readonly #redis: Redis

  constructor({ url, token }: { url: string; token: string }) {
    this.#redis = new Redis({
      url,
      token,
      enableTelemetry: false,
      enableAutoPipelining: false,
      // A second try after a lost answer would count twice.
      retry: false,
      // A function: of a plain signal that has fired the client makes an answer, as if Redis had confirmed.
      signal: () => AbortSignal.timeout(requestTimeoutMs),
    })
  }

  /**
   * One bucket after the other, since Redis judges each by itself. The client's own comes first: a client that has used
   * up what is its own does not even touch what it shares.
   */
  async take(domainId: string, buckets: readonly RateBucket[]): Promise<RateVerdict> {
    const states: BucketState[] = []
    for (const [index, bucket] of buckets.entries()) {
      const { success, remaining, reset } = await this.#limiterOf(bucket).limit(`${domainId}:${bucket.key}`)
      const state = { bucket, remaining, resetMs: Math.max(0, reset - Date.now()) + (success ? 0 : 1) }
      states.push(state)
      if (success) continue
      await this.#giveBack(domainId, buckets.slice(0, index))
      return { states, refusedBy: state }
    }
    return { states, refusedBy: null }
  }

  /** What can't be given back counts for its window; the request is refused in any case. */
  async #giveBack(domainId: string, buckets: readonly RateBucket[]): Promise<void> {
    await Promise.allSettled(
      buckets.map((bucket) => this.#limiterOf(bucket).limit(`${domainId}:${bucket.key}`, { rate: -1 })),
    )
  }

  #limiterOf({ limit }: RateBucket): Ratelimit {
    return new Ratelimit({
      redis: this.#redis,
      limiter: Ratelimit.slidingWindow(limit, `${rateWindowSeconds} s`),
      prefix,
      // What it does by itself after a while is to let pass, without a word; here the timeout of the request is an error.
      timeout: 0,
      // A refusal kept in memory would outlive a limit that was raised.
      ephemeralCache: false,
    })
  }
}
