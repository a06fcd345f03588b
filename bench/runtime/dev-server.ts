import { join } from 'node:path'
import { unstable_startWorker } from 'wrangler'
import { childrenRunning } from './process-usage.ts'

const root = join(import.meta.dirname, '../..')

/** A Worker under `wrangler dev`: requests pass a proxy Worker, in a process of its own, before they reach it. */
export async function startDevServer(entry: string): Promise<{ port: number; pids: number[]; stop(): Promise<void> }> {
  const before = new Set(childrenRunning('workerd'))
  const worker = await unstable_startWorker({
    config: join(root, 'wrangler.toml'),
    entrypoint: join(root, entry),
    dev: {
      server: { hostname: '127.0.0.1', port: 0 },
      inspector: false,
      watch: false,
      persist: false,
      logLevel: 'error',
    },
  })
  await worker.ready
  const port = Number((await worker.url).port)
  await fetch(await worker.url)
  const pids = childrenRunning('workerd').filter((pid) => !before.has(pid))
  return { port, pids, stop: () => worker.dispose() }
}
