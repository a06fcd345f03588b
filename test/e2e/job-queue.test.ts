import { join } from 'node:path'
import { afterAll, beforeAll, describe, vi } from 'vitest'
import { createTestHarness } from 'wrangler'
import type { Job } from '../../src/core/job.ts'
import { describeJobQueue, type QueueUnderTest } from '../job-queue/contract.ts'
import { type QStashServer, startQStashServer } from '../qstash/qstash-server.ts'
import { devCredentials } from '../qstash/sign-delivery.ts'
import { redisMissing } from '../redis/redis-server.ts'
import { startUpstashRedis, type UpstashRedis } from '../redis/upstash-redis.ts'

// One Worker in workerd with all three adapters: Cloudflare Queues as wrangler runs them, the official clients of QStash
// and Redis, and what these talk to on loopback.
let harness: ReturnType<typeof createTestHarness>
let origin: string
let qstash: QStashServer
let redis: UpstashRedis | undefined

beforeAll(async () => {
  vi.stubEnv('WRANGLER_LOG', 'none')
  qstash = await startQStashServer()
  redis = redisMissing ? undefined : await startUpstashRedis()
  harness = createTestHarness({
    root: join(import.meta.dirname, '../..'),
    workers: [
      {
        config: {
          name: 'job-queue-contract',
          main: './test/job-queue/contract-worker.ts',
          compatibility_date: '2026-10-20',
          compatibility_flags: ['nodejs_compat'],
          queues: {
            producers: [{ binding: 'JOBS', queue: 'contract-jobs' }],
            consumers: [{ queue: 'contract-jobs', max_batch_size: 10, max_batch_timeout: 0 }],
          },
          vars: {
            QSTASH_URL: qstash.url,
            QSTASH_TOKEN: devCredentials.token,
            QSTASH_CURRENT_SIGNING_KEY: devCredentials.currentSigningKey,
            QSTASH_NEXT_SIGNING_KEY: devCredentials.nextSigningKey,
            ...redis?.vars,
          },
        },
      },
    ],
  })
  origin = (await harness.listen()).url.origin
})

afterAll(async () => {
  await harness?.close()
  await qstash?.close()
  await redis?.stop()
  vi.unstubAllEnvs()
})

async function ask<T>(path: string, body: unknown = null): Promise<T> {
  const answer = await fetch(origin + path, { method: 'POST', body: JSON.stringify(body) })
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`)
  return answer.json<T>()
}

async function publish(path: string, jobs: readonly Job[], options?: { delaySeconds?: number }): Promise<void> {
  const { error } = await ask<{ error: string | null }>(path, { jobs, options })
  if (error !== null) throw new Error(error)
}

const delivered: QueueUnderTest['delivered'] = () => ask('/delivered')

describeJobQueue('Cloudflare Queues', async () => ({
  publish: (jobs, options) => publish('/cloudflare', jobs, options),
  delivered,
  // Cloudflare refuses a delay of more than a day.
  publishRefused: (jobs) => publish('/cloudflare', jobs, { delaySeconds: 100_000 }),
}))

describeJobQueue('QStash', async () => ({
  publish: (jobs, options) => publish('/qstash', jobs, options),
  delivered,
  publishRefused: (jobs) => {
    qstash.failNextPublishes(1, 503)
    return publish('/qstash', jobs)
  },
}))

describe.skipIf(redisMissing)('with a Redis', () => {
  describeJobQueue('Upstash Redis', async () => ({
    publish: (jobs, options) => publish('/redis', jobs, options),
    delivered: async () => {
      await ask('/drain')
      return delivered()
    },
    publishRefused: (jobs) => {
      redis?.bridge.failNext(1, 'error-before', 'XADD')
      return publish('/redis', jobs)
    },
  }))
})
