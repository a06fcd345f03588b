import { join } from 'node:path'
import { afterAll, beforeAll, describe, vi } from 'vitest'
import { createTestHarness } from 'wrangler'
import type { RateBucket, RateVerdict } from '../../src/core/rate-limit.ts'
import { describeRateLimiter } from '../rate-limiter/contract.ts'
import { redisMissing } from '../redis/redis-server.ts'
import { startUpstashRedis, type UpstashRedis } from '../redis/upstash-redis.ts'

if (redisMissing) console.warn(`Left out, rates in a Redis: ${redisMissing}`)

// One Worker in workerd with both adapters: the Durable Object, and Upstash's own library in front of a real Redis.
let harness: ReturnType<typeof createTestHarness>
let origin: string
let redis: UpstashRedis | undefined

beforeAll(async () => {
  vi.stubEnv('WRANGLER_LOG', 'none')
  redis = redisMissing ? undefined : await startUpstashRedis()
  harness = createTestHarness({
    root: join(import.meta.dirname, '../..'),
    workers: [
      {
        config: {
          name: 'rate-limiter-contract',
          main: './test/rate-limiter/contract-worker.ts',
          compatibility_date: '2026-10-20',
          compatibility_flags: ['nodejs_compat'],
          durable_objects: { bindings: [{ name: 'RATE_LIMITS', class_name: 'RateLimiterObject' }] },
          migrations: [{ tag: 'v1', new_sqlite_classes: ['RateLimiterObject'] }],
          vars: { ...redis?.vars },
        },
      },
    ],
  })
  origin = (await harness.listen()).url.origin
})

afterAll(async () => {
  await harness?.close()
  await redis?.stop()
  vi.unstubAllEnvs()
})

async function take(path: string, domainId: string, buckets: readonly RateBucket[], now: number) {
  const answer = await fetch(origin + path, { method: 'POST', body: JSON.stringify({ domainId, buckets, now }) })
  const verdict = await answer.json<RateVerdict | { error: string }>()
  if ('error' in verdict) throw new Error(verdict.error)
  return verdict
}

describeRateLimiter('a Durable Object', async () => ({
  take: (domainId, buckets, now) => take('/durable', domainId, buckets, now),
  // The object throws in the middle of its work: what follows is no bucket.
  takeFailing: (domainId, buckets, now) => take('/durable', domainId, [...buckets, null as never], now),
}))

describe.skipIf(redisMissing)('with a Redis', () => {
  describeRateLimiter('Upstash Redis', async () => ({
    take: (domainId, buckets, now) => take('/redis', domainId, buckets, now),
    takeFailing: (domainId, buckets, now) => {
      redis?.bridge.failNext(1, 'error-before', 'EVALSHA')
      return take('/redis', domainId, buckets, now)
    },
  }))
})
