import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createTestHarness } from 'wrangler'
import type { RateBucket, RateVerdict } from '../../src/core/rate-limit.ts'
import { describeRateLimiter } from '../rate-limiter/contract.ts'
import { redisMissing } from '../redis/redis-server.ts'
import { startUpstashRedis, type UpstashRedis } from '../redis/upstash-redis.ts'
import { expectStatus, makeDomain } from '../support/e2e/domains.ts'
import { startLocalWorker } from '../support/e2e/local-worker.ts'

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

  it('the Worker counts there, as long as it answers', async () => {
    const { bridge, send, vars } = redis as UpstashRedis
    await send('FLUSHALL')
    const worker = await startLocalWorker(vars)
    try {
      const domain = await makeDomain(worker, { uploadsPerMinutePerClient: 1 })
      const upload = () => worker.call('PUT', '/v1/uploads/a.txt', { host: domain.host, body: 'content' })
      const first = await upload()
      expectStatus(first, 202)
      expect(first.headers.ratelimit).toMatch(/^"uploads-per-client";r=0;t=\d+$/)
      // When a minute turns meanwhile, one of them passes.
      const rest = [await upload(), await upload()]
      expect(rest.find(({ status }) => status === 429)?.json()).toMatchObject({ code: 'rate-limited', limit: 1 })
      const keys = (await send('KEYS', 'stevedore:rates:*')) as string[]
      expect(keys.join()).toContain(`stevedore:rates:${domain.id}:uploads:address:`)
      for (const key of keys) expect(Number(await send('PTTL', key))).toBeGreaterThan(0)

      for (const fault of ['error-before', 'hang'] as const) {
        bridge.failNext(1, fault, 'EVALSHA')
        const uncounted = await upload()
        expectStatus(uncounted, 202)
        expect(uncounted.headers.ratelimit).toBeUndefined()
      }
      expect(worker.logged('limiter-failed')).toMatchObject([{ domain_id: domain.id }, { domain_id: domain.id }])
    } finally {
      bridge.heal()
      await worker.stop()
    }
  })
})
