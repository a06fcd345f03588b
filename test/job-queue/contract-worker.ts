import type { Job } from '../../src/core/job.ts'
import type { JobQueue } from '../../src/core/ports.ts'
import { CloudflareJobQueue, consumeBatch } from '../../src/queue/cloudflare.ts'
import { QStashJobQueue, qstashVerifier } from '../../src/queue/qstash.ts'
import { RedisJobQueue } from '../../src/queue/redis.ts'

interface ContractEnv {
  JOBS: Queue<Job>
  QSTASH_URL: string
  QSTASH_TOKEN: string
  QSTASH_CURRENT_SIGNING_KEY: string
  QSTASH_NEXT_SIGNING_KEY: string
  UPSTASH_REDIS_REST_URL: string
  UPSTASH_REDIS_REST_TOKEN: string
}

const delivered: { message: unknown; at: number }[] = []
const note = async (message: unknown) => {
  delivered.push({ message, at: Date.now() })
}

/** A Worker with the three queues and nothing behind them: it publishes what it is told to and notes what arrives. */
export default {
  async fetch(request, env) {
    const url = new URL(request.url)
    if (url.pathname === '/delivered') return Response.json(delivered)
    if (url.pathname === '/drain') {
      await redisQueue(env).drain({ streams: ['short', 'long'], until: Date.now() + 5_000, maxJobs: 1_000, run: note })
      return Response.json(null)
    }
    if (url.pathname === '/internal/jobs') {
      const body = await request.text()
      const verify = qstashVerifier({ current: env.QSTASH_CURRENT_SIGNING_KEY, next: env.QSTASH_NEXT_SIGNING_KEY })
      const isSigned = await verify(request.headers.get('upstash-signature') ?? undefined, body, request.url)
      if (isSigned) await note(JSON.parse(body))
      return new Response(null, { status: isSigned ? 204 : 401 })
    }
    const { jobs, options } = await request.json<{ jobs: Job[]; options?: { delaySeconds?: number } }>()
    try {
      await queueOf(url, env).publish(jobs, options)
      return Response.json({ error: null })
    } catch (error) {
      return Response.json({ error: String(error) })
    }
  },

  async queue(batch) {
    await consumeBatch(batch, note)
  },
} satisfies ExportedHandler<ContractEnv>

function queueOf({ pathname, origin }: URL, env: ContractEnv): JobQueue {
  if (pathname === '/redis') return redisQueue(env)
  if (pathname === '/cloudflare') return new CloudflareJobQueue(env.JOBS)
  return new QStashJobQueue({ token: env.QSTASH_TOKEN, baseUrl: env.QSTASH_URL, callbackUrl: origin })
}

function redisQueue(env: ContractEnv): RedisJobQueue {
  const { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token } = env
  return new RedisJobQueue({ url, token }, Date.now)
}
