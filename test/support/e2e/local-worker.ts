import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createTestHarness } from 'wrangler'
import { type Answer, type Call, call } from './http.ts'
import { R2State } from './r2-state.ts'

export const repository = join(import.meta.dirname, '../../..')

export const adminToken = 'test-admin-token'

export const testVars = {
  MODE: 'development',
  ADMIN_TOKEN: adminToken,
  BASE_DOMAIN: 'localhost',
}

export interface Bindings {
  DB: D1Database
  BUCKET: R2Bucket
  JOBS: Queue<unknown>
}

/** The Worker on a loopback port, with its storage open to the test. */
export interface LocalWorker {
  port: number
  /** The same D1, R2 and Queue that the Worker has. */
  env: Bindings
  r2: R2State
  /** One request over a connection of its own; `host` goes into the Host header, and the apex host is the default. */
  call(method: string, target: string, options?: Call): Promise<Answer>
  /** Runs the scheduled handler once, to its end. */
  runSchedule(): Promise<void>
  /** What the Worker has logged, of one event. */
  logged(event: string): Record<string, unknown>[]
  stop(): Promise<void>
}

/** A server as it comes out of one of the ways to start one. */
export interface Started {
  port: number
  env: Bindings
  runSchedule(): Promise<{ outcome: string }>
  /** All that was logged so far, line by line. */
  logLines(): string[]
  stop(): Promise<void>
}

/**
 * Starts the Worker of this repository on empty storage with the migrations applied, behind wrangler's own server; with
 * `main`, another entry in place of `src/index.ts`.
 */
export function startLocalWorker(vars: Record<string, string> = {}, main?: string): Promise<LocalWorker> {
  return onEmptyStorage(async (folder) => {
    const configPath = main === undefined ? './wrangler.toml' : await configurationWith(main, folder)
    const harness = createTestHarness({
      root: repository,
      workers: [{ configPath, vars: { ...testVars, ...vars } }],
    })
    const worker = harness.getWorker<Bindings>()
    try {
      const port = Number((await harness.listen()).url.port)
      await worker.applyD1Migrations('DB')
      return {
        port,
        env: await worker.getEnv(),
        runSchedule: () => worker.scheduled({ cron: '* * * * *' }),
        logLines: () => harness.getLogs().map(({ message }) => message),
        stop: () => harness.close(),
      }
    } catch (error) {
      await harness.close()
      throw error
    }
  })
}

/** Writes the repository's configuration with another entry into a folder, and gives its path. */
async function configurationWith(main: string, folder: string): Promise<string> {
  const configured = await readFile(join(repository, 'wrangler.toml'), 'utf8')
  const path = join(folder, 'wrangler.toml')
  await writeFile(
    path,
    configured
      .replace(/^main = .*$/m, `main = ${JSON.stringify(join(repository, main))}`)
      .replaceAll('migrations_dir = "migrations"', `migrations_dir = ${JSON.stringify(join(repository, 'migrations'))}`)
      .replaceAll('directory = "dist/web"', `directory = ${JSON.stringify(join(repository, 'dist/web'))}`),
  )
  return path
}

/** Gives `start` a folder of its own for everything that the runtime writes, and removes it at the end. */
export async function onEmptyStorage(start: (folder: string) => Promise<Started>): Promise<LocalWorker> {
  const folder = await mkdtemp(join(tmpdir(), 'stevedore-e2e-'))
  const restoreEnvironment = keepWranglerInside(folder)
  const cleanUp = async () => {
    restoreEnvironment()
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
  const server = await start(folder).catch(async (error) => {
    await cleanUp()
    throw error
  })
  return {
    port: server.port,
    env: server.env,
    r2: new R2State(folder),
    call: (method, target, options) => call(server.port, method, target, options),
    runSchedule: async () => {
      const { outcome } = await server.runSchedule()
      if (outcome !== 'ok') throw new Error(`The scheduled handler ended with ${outcome}`)
    },
    logged: (event) =>
      server
        .logLines()
        .flatMap(parseLine)
        .filter((line) => line.event === event),
    stop: async () => {
      await server.stop()
      await cleanUp()
    },
  }
}

function parseLine(line: string): Record<string, unknown>[] {
  try {
    return [JSON.parse(line)]
  } catch {
    return []
  }
}

/** The runtime keeps its storage below the temporary folder, wherever that is: here, one of its own per server. */
function keepWranglerInside(folder: string): () => void {
  const settings: Record<string, string> = {
    TMPDIR: folder,
    XDG_CONFIG_HOME: folder,
    WRANGLER_LOG: 'error',
    WRANGLER_LOG_PATH: join(folder, 'logs'),
    WRANGLER_SEND_METRICS: 'false',
    CLOUDFLARE_CF_FETCH_ENABLED: 'false',
  }
  const before = Object.keys(settings).map((name) => [name, process.env[name]] as const)
  Object.assign(process.env, settings)
  return () => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
}
