import type { Domain } from './core/domain.ts'
import type { StepName } from './core/policy.ts'
import type { JobQueue, Log } from './core/ports.ts'
import { TimedCache } from './core/timed-cache.ts'
import type { ApiKey } from './db/api-keys.ts'
import { type Database, openDatabase } from './db/database.ts'
import { type Env, parseEnv } from './env.ts'
import { BufferPool } from './ingest/buffer-pool.ts'
import { log } from './log.ts'
import type { Step } from './processing/step.ts'
import { steps } from './processing/steps.ts'
import { CloudflareJobQueue } from './queue/cloudflare.ts'
import { failedJobUrl, jobUrl, QStashJobQueue, qstashVerifier } from './queue/qstash.ts'
import { DomainDirectory } from './services/domain-directory.ts'
import { ObjectStorage } from './storage/object-storage.ts'

/** How long an isolate may go on with what it knows of a domain or a key. */
const cacheMs = 30_000

// What all requests of an isolate share: memory, and knowledge that may be 30 seconds old. Nothing here belongs to one.
const pool = new BufferPool()
const domainCache = new TimedCache<Domain>(cacheMs)
const keyCache = new TimedCache<ApiKey>(cacheMs)

/** Checks what QStash delivers: which URLs it may be delivered to, and the signature for each. */
export interface CallbackGuard {
  host: string
  jobUrl: string
  failedJobUrl: string
  verify(signature: string | undefined, body: string, url: string): Promise<boolean>
}

/** Everything one invocation works with, built from its environment in one place. */
export interface Deps {
  env: Env
  control: Database
  databaseFor(domain: { id: string }): Database
  storageFor(domain: { id: string }): ObjectStorage
  /** Every database that holds files, with its bucket: what the reconciler visits. */
  places: readonly { db: Database; storage: ObjectStorage }[]
  queue: JobQueue
  /** Null unless QStash is the queue. */
  callbacks: CallbackGuard | null
  directory: DomainDirectory
  keyCache: TimedCache<ApiKey>
  pool: BufferPool
  steps: Readonly<Record<StepName, Step>>
  now(): number
  random(): number
  log: Log
  defer(promise: Promise<unknown>): void
}

/** Throws `Misconfigured` when the environment is not complete. */
export function buildDeps(from: unknown, context: { waitUntil(promise: Promise<unknown>): void }): Deps {
  const env = parseEnv(from)
  const control = openDatabase(env.DB)
  const storage = new ObjectStorage(env.BUCKET)
  const databaseFor = () => control
  const now = () => Date.now()
  return {
    env,
    control,
    databaseFor,
    storageFor: () => storage,
    places: [{ db: control, storage }],
    queue: buildQueue(env),
    callbacks: buildCallbacks(env),
    directory: new DomainDirectory({ control, databaseFor, cache: domainCache, now }),
    keyCache,
    pool,
    steps,
    now,
    random: Math.random,
    log,
    defer: (promise) => context.waitUntil(promise),
  }
}

/** QStash when its token is set, else Cloudflare Queues. */
function buildQueue(env: Env): JobQueue {
  if (env.QSTASH_TOKEN && env.CALLBACK_URL) {
    return new QStashJobQueue({ token: env.QSTASH_TOKEN, baseUrl: env.QSTASH_URL, callbackUrl: env.CALLBACK_URL })
  }
  return new CloudflareJobQueue(env.JOBS as NonNullable<Env['JOBS']>)
}

function buildCallbacks(env: Env): CallbackGuard | null {
  const { QSTASH_TOKEN, CALLBACK_URL, QSTASH_CURRENT_SIGNING_KEY: current, QSTASH_NEXT_SIGNING_KEY: next } = env
  if (!QSTASH_TOKEN || !CALLBACK_URL || !current || !next) return null
  return {
    host: new URL(CALLBACK_URL).host,
    jobUrl: jobUrl(CALLBACK_URL),
    failedJobUrl: failedJobUrl(CALLBACK_URL),
    verify: qstashVerifier({ current, next }),
  }
}
