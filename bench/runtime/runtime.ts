import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare'
import { unstable_readConfig } from 'wrangler'
import { type Bundle, bundleWorker } from './bundle-worker.ts'
import { fastestFolder } from './fastest-folder.ts'
import { childrenRunning, findChild } from './process-usage.ts'

const root = join(import.meta.dirname, '../..')

const durableObjects = {
  RATE_LIMITS: { className: 'RateLimiterObject', useSQLite: true },
  WATCHERS: { className: 'WatchObject', useSQLite: true },
  UPLOAD_SESSIONS: { className: 'UploadSession', useSQLite: true },
  TOTALS: { className: 'TotalsObject', useSQLite: true },
}

export interface WorkerToRun {
  name: string
  /** Its entry module, relative to the project. */
  entry: string
  vars?: Record<string, string>
  /** Whether it is the application: its database gets the project's tables, and its Durable Objects are there. */
  isApplication?: boolean
  /** Whether it takes what it puts on its queue, as soon as it is there. */
  isConsumer?: boolean
}

/** Workers in one workerd process, which also runs the simulators of R2, D1 and Queues. */
export interface Runtime {
  /** The process that everything is measured on. */
  pid: number
  inspectorUrl: URL | null
  port(worker: string): number
  database(worker: string): Promise<D1Database>
  bucket(worker: string): Promise<R2Bucket>
  /** Removes all objects of the Worker's bucket. */
  clear(worker: string): Promise<void>
  stop(): Promise<void>
}

/**
 * Starts a fresh workerd process with the Workers, each with a bucket, a database and a queue of its own. Clients reach
 * a Worker through a socket of its own, so that no proxy stands between them. No queue has a consumer, unless its Worker
 * is to be one: jobs are sent and go no further.
 */
export async function startRuntime(workers: readonly WorkerToRun[], { inspect = false } = {}): Promise<Runtime> {
  const folder = await mkdtemp(join(await fastestFolder(), 'stevedore-bench-'))
  const { compatibility_date, compatibility_flags } = unstable_readConfig({ config: join(root, 'wrangler.toml') })
  const bundles = await Promise.all(workers.map(({ entry }) => bundleWorker(entry)))
  const before = new Set(childrenRunning('workerd'))
  const miniflare = new Miniflare({
    ...convertV4MiniflareOptions({
      log: new Log(LogLevel.ERROR),
      // What a Worker says of each job would hide what is measured.
      handleStructuredLogs: ({ level, message }) => {
        if (level === 'warn' || level === 'error') console.error(message)
      },
      cf: false,
      ...(inspect ? { inspectorPort: 0 } : {}),
      workers: workers.map(({ name, vars = {}, isApplication, isConsumer }, index) => ({
        name,
        modules: modulesOf(name, bundles[index] as Bundle),
        compatibilityDate: compatibility_date as string,
        compatibilityFlags: compatibility_flags,
        bindings: vars,
        r2Buckets: { BUCKET: name },
        d1Databases: { DB: name },
        ...(isApplication ? { durableObjects } : {}),
        queueProducers: { JOBS: `jobs-of-${name}` },
        ...(isConsumer ? { queueConsumers: { [`jobs-of-${name}`]: { maxBatchSize: 10, maxBatchTimeout: 0 } } } : {}),
        unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
      })),
    }),
    // The conversion drops where the state is kept.
    resourcePersistencePath: join(folder, 'state'),
  })
  try {
    await miniflare.ready
    const pid = findChild('workerd', before)
    const ports = new Map<string, number>()
    for (const { name, isApplication } of workers) {
      ports.set(name, Number((await miniflare.unsafeGetDirectURL(name)).port))
      if (isApplication) await migrate((await miniflare.getD1Database('DB', name)) as unknown as D1Database)
    }
    return {
      pid,
      inspectorUrl: inspect ? await miniflare.getInspectorURL() : null,
      port: (worker) => ports.get(worker) as number,
      bucket: async (worker) => (await miniflare.getR2Bucket('BUCKET', worker)) as unknown as R2Bucket,
      database: async (worker) => (await miniflare.getD1Database('DB', worker)) as unknown as D1Database,
      clear: async (worker) => {
        const bucket = (await miniflare.getR2Bucket('BUCKET', worker)) as unknown as R2Bucket
        for (;;) {
          const { objects } = await bucket.list()
          if (objects.length === 0) return
          await bucket.delete(objects.map((object) => object.key))
        }
      },
      stop: async () => {
        await miniflare.dispose()
        await rm(folder, { recursive: true, force: true })
      },
    }
  } catch (error) {
    await miniflare.dispose()
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

function modulesOf(name: string, { script, wasm }: Bundle) {
  return [
    { type: 'ESModule' as const, path: `${name}.js`, contents: script },
    ...[...wasm].map(([path, contents]) => ({ type: 'CompiledWasm' as const, path, contents })),
  ]
}

async function migrate(database: D1Database): Promise<void> {
  const folder = join(root, 'migrations')
  for (const file of (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort()) {
    const statements = (await readFile(join(folder, file), 'utf8')).split('--> statement-breakpoint')
    await database.batch(statements.map((statement) => database.prepare(statement)))
  }
}
