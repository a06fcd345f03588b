import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { unstable_startWorker } from 'wrangler'
import { writeBareConfig } from './bare-config.ts'
import { childrenRunning } from './process-usage.ts'

const root = join(import.meta.dirname, '../..')

/** A Worker under `wrangler dev`: requests pass a proxy Worker, in a process of its own, before they reach it. */
export async function startDevServer(entry: string): Promise<{ port: number; pids: number[]; stop(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'stevedore-bench-dev-'))
  const before = new Set(childrenRunning('workerd'))
  const worker = await unstable_startWorker({
    config: await writeBareConfig(folder),
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
  const stop = async () => {
    await worker.dispose()
    await rm(folder, { recursive: true })
  }
  return { port, pids, stop }
}
