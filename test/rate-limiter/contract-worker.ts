import type { RateLimiter } from '../../src/core/ports.ts'
import type { RateBucket } from '../../src/core/rate-limit.ts'
import { DurableRateLimiter } from '../../src/limits/durable.ts'
import type { RateLimiterObject } from '../../src/limits/rate-limiter-object.ts'
import { UpstashRateLimiter } from '../../src/limits/upstash.ts'

export { RateLimiterObject } from '../../src/limits/rate-limiter-object.ts'

interface ContractEnv {
  RATE_LIMITS: DurableObjectNamespace<RateLimiterObject>
  UPSTASH_REDIS_REST_URL: string
  UPSTASH_REDIS_REST_TOKEN: string
}

interface Question {
  domainId: string
  buckets: RateBucket[]
  now: number
}

/** A Worker with both limiters and nothing else, in which it is the time that each question says. */
export default {
  async fetch(request, env) {
    const { domainId, buckets, now } = await request.json<Question>()
    // Upstash's library asks the global clock.
    Date.now = () => now
    try {
      return Response.json(await limiterOf(new URL(request.url).pathname, env, now).take(domainId, buckets))
    } catch (error) {
      return Response.json({ error: String(error) })
    }
  },
} satisfies ExportedHandler<ContractEnv>

function limiterOf(path: string, env: ContractEnv, now: number): RateLimiter {
  if (path === '/durable') return new DurableRateLimiter(env.RATE_LIMITS, () => now)
  const { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token } = env
  return new UpstashRateLimiter({ url, token })
}
