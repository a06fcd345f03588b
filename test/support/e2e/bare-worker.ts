import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { readD1Migrations } from '@cloudflare/vitest-plugin'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { unstable_getMiniflareWorkerOptions } from 'wrangler'
import { type Bindings, type LocalWorker, onEmptyStorage, repository, testVars } from './local-worker.ts'
import { run } from './programs.ts'

const name = 'stevedore'

/**
 * Starts the Worker with nothing between it and the socket. Wrangler's server has a proxy of its own in front, which
 * reads the rest of a refused body itself, and answers in the Worker's place when a body breaks off: behind it, a Worker
 * that does neither looks as if it did.
 */
export function startBareWorker(): Promise<LocalWorker> {
  return onEmptyStorage(async (folder) => {
    const bundle = join(folder, 'bundle')
    const wrangler = join(repository, 'node_modules/wrangler/bin/wrangler.js')
    const configPath = join(repository, 'wrangler.toml')
    await run(process.execPath, [wrangler, 'deploy', '--dry-run', '--config', configPath, '--outdir', bundle])

    const logLines: string[] = []
    // The router of static assets would be in front as well, and mend addresses before the Worker sees them.
    const { modulesRules: _, assets: __, ...configured } = unstable_getMiniflareWorkerOptions(configPath).workerOptions
    const runtime = new Miniflare(
      convertV4MiniflareOptions({
        host: '127.0.0.1',
        port: 0,
        cf: false,
        handleStructuredLogs: ({ message }) => logLines.push(message),
        workers: [
          {
            ...configured,
            name,
            modules: modulesOf(bundle),
            modulesRoot: bundle,
            bindings: testVars,
            unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
          },
        ],
      }),
    )
    try {
      await runtime.ready
      const env = await runtime.getBindings<Bindings>(name)
      for (const { queries } of await readD1Migrations(join(repository, 'migrations'))) {
        await env.DB.batch(queries.map((query) => env.DB.prepare(query)))
      }
      const { port } = await runtime.unsafeGetDirectURL(name)
      const worker = (await runtime.getWorker(name)) as unknown as Fetcher & {
        scheduled(options: object): Promise<{ outcome: string }>
      }
      return {
        port: Number(port),
        env,
        runSchedule: () => worker.scheduled({ cron: '* * * * *' }),
        logLines: () => logLines,
        stop: () => runtime.dispose(),
      }
    } catch (error) {
      await runtime.dispose()
      throw error
    }
  })
}

/** The script of a bundle, and the WebAssembly that it imports. */
function modulesOf(bundle: string): { type: 'ESModule' | 'CompiledWasm'; path: string }[] {
  const wasm = readdirSync(bundle).filter((file) => file.endsWith('.wasm'))
  return [
    { type: 'ESModule', path: join(bundle, 'index.js') },
    ...wasm.map((file) => ({ type: 'CompiledWasm' as const, path: join(bundle, file) })),
  ]
}
