import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { build } from 'esbuild'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { type Browser, openChromium } from '../e2e/chromium.ts'
import { type Scenarios, scenarios } from './scenarios.ts'

type Name = keyof Scenarios
type Outcome<Key extends Name> = Awaited<ReturnType<Scenarios[Key]>>

/** Somewhere that the client runs. */
export interface Runtime {
  /** Runs a scenario there, and gives what it has seen. */
  run<Key extends Name>(name: Key, args: Parameters<Scenarios[Key]>[0]): Promise<Outcome<Key>>
  /** The origin of its page; null outside of browsers. */
  origin: string | null
  close(): Promise<void>
}

export interface Page extends Runtime {
  browser: Browser
}

export async function inNode(): Promise<Runtime> {
  return {
    // biome-ignore lint/suspicious/noExplicitAny: which scenario it is decides what it takes
    run: (name, args) => scenarios[name](args as any) as Promise<any>,
    origin: null,
    close: async () => {},
  }
}

/** A Worker of its own, as an application's: bundled as wrangler does it. */
export async function inWorkerd(): Promise<Runtime> {
  const script = await bundle(
    `export default { fetch: async (request) => {
       const { name, args } = await request.json()
       try { return Response.json({ seen: await scenarios[name](args) ?? null }) }
       catch (error) { return Response.json({ error: error.stack }) }
     } }`,
    ['workerd', 'worker', 'browser'],
  )
  const worker = new Miniflare(
    convertV4MiniflareOptions({
      cf: false,
      workers: [{ name: 'application', modules: true, script, compatibilityDate: '2026-06-01' }],
    }),
  )
  await worker.ready
  return {
    run: async (name, args) => {
      const body = JSON.stringify({ name, args })
      const answer = await worker.dispatchFetch('http://application/', { method: 'POST', body })
      // biome-ignore lint/suspicious/noExplicitAny: what its scenario has seen
      const { seen, error } = (await answer.json()) as any
      if (error) throw new Error(error)
      return seen
    },
    origin: null,
    close: () => worker.dispose(),
  }
}

/** A page of an application, on an origin of its own. */
export async function inChromium(): Promise<Page> {
  const script = await bundle('globalThis.scenarios = scenarios', ['browser'])
  const server = createServer((request, response) => {
    const isScript = request.url === '/suite.js'
    response.writeHead(200, { 'content-type': isScript ? 'text/javascript' : 'text/html' })
    response.end(
      isScript ? script : '<!doctype html><title>Suite</title><script type="module" src="/suite.js"></script>',
    )
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const origin = `http://localhost:${(server.address() as AddressInfo).port}`
  const browser = await openChromium(origin)
  return {
    browser,
    origin,
    run: (name, args) => browser.page.evaluate(`scenarios.${name}(${JSON.stringify(args)})`),
    close: async () => {
      await browser.close()
      server.closeAllConnections()
      server.close()
    },
  }
}

/** The scenarios as one module, with some code after them. */
async function bundle(code: string, conditions: string[]): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: `import { scenarios } from './scenarios.ts'\n${code}`, resolveDir: join(import.meta.dirname) },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    conditions,
    target: 'es2022',
    logLevel: 'error',
  })
  return outputFiles[0]?.text ?? ''
}
