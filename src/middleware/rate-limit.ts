import type { AppContext } from '../context.ts'
import type { Domain } from '../core/domain.ts'
import { Refusal } from '../core/errors.ts'
import { type BucketState, bucketsFor, type RateVerdict, rateWindowSeconds, requestKind } from '../core/rate-limit.ts'
import { limitRate } from '../services/limit-rate.ts'

/**
 * Counts the request for its domain, tells the client how much is left, and throws `rate-limited` when it is one too
 * many. Where the policy sets no limit, nobody is asked.
 */
export async function countRequest(c: AppContext, domain: Domain): Promise<void> {
  const request = {
    kind: requestKind(c.req.method),
    credential: c.get('credential'),
    // Set by Cloudflare, whatever a client sends of that name.
    address: c.req.header('cf-connecting-ip'),
  }
  const buckets = bucketsFor(request, domain)
  if (buckets.length === 0) return
  const verdict = await limitRate(c.get('deps'), domain.id, buckets)
  if (!verdict) return
  describeLimits(c, verdict)
  if (verdict.refusedBy) throw rateLimited(verdict.refusedBy)
}

/** The fields of draft-ietf-httpapi-ratelimit-headers: lists of structured fields, one item for each bucket. */
function describeLimits(c: AppContext, { states }: RateVerdict): void {
  const policies = states.map(({ bucket }) => `"${bucket.policy}";q=${bucket.limit};w=${rateWindowSeconds}`)
  const left = states.map((state) => `"${state.bucket.policy}";r=${state.remaining};t=${resetSeconds(state)}`)
  c.header('RateLimit-Policy', policies.join(', '))
  c.header('RateLimit', left.join(', '))
}

function rateLimited(state: BucketState): Refusal {
  const { policy, limit } = state.bucket
  const retryAfterSeconds = resetSeconds(state)
  return new Refusal(
    'rate-limited',
    `No more than ${limit} requests of this kind pass in ${rateWindowSeconds} seconds. Try again in ${retryAfterSeconds} s.`,
    { facts: { policy, limit, windowSeconds: rateWindowSeconds }, retryAfterSeconds },
  )
}

function resetSeconds({ resetMs }: BucketState): number {
  return Math.ceil(resetMs / 1000)
}
