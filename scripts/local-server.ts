import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Failure } from './failure.ts'
import { callLocal, describeAnswer, jsonOf } from './http-client.ts'
import { dataFolder, requireFittingState } from './local-state.ts'
import { LogTail } from './log-tail.ts'
import { type ProcessGroup, startProcessGroup } from './process-group.ts'
import { quietWrangler } from './wrangler-environment.ts'

/** The administrator's token in development. It is public: nothing that faces a network may run with it. */
export const devAdminToken = 'dev-admin-token'

const devVars = {
  MODE: 'development',
  ADMIN_TOKEN: devAdminToken,
  BASE_DOMAIN: 'localhost',
}

const startSeconds = 90
const scheduleSeconds = 60

export interface LocalServerOptions {
  port: number
  /** The folder for the local R2, D1 and Queues, as an absolute path. Made when it is missing. */
  stateFolder: string
  /** Whether `.dev.vars` and `.env` count. Without them the server is the same on every machine. */
  readDevVars: boolean
  /** More variables for the Worker. */
  vars?: Record<string, string>
  /** Gets what the server logs, line by line, once it is ready. */
  onLogLine?: (line: string) => void
  /** Aborts the start. Stopping a running server is `stop`. */
  signal: AbortSignal
}

export interface LocalServer {
  /** `http://localhost:PORT`, the apex host. */
  apexUrl: URL
  /** `http://<slug>.localhost:PORT`. */
  domainUrl(slug: string): URL
  /** Rejects with a `Failure` when the server ends without having been told to. */
  died: Promise<never>
  /** The last lines of the server's log. */
  logTail(): string
  /** Ends the server and every process that it started. */
  stop(): Promise<void>
  /** Ends them at once, at whatever line they are, as a power cut would. */
  kill(): Promise<void>
}

/**
 * Runs the Worker with local R2, D1 and Queues on the loopback address: migrations first, then `wrangler dev`, then a
 * wait for `/healthz`. Calls the scheduled handler every minute, which wrangler does not do by itself.
 * Throws a `Failure` with the log's tail when any of it fails or all of it takes longer than 90 seconds, and the
 * signal's reason when that aborts. A state that another version has made is refused before anything is started.
 */
export async function startLocalServer(options: LocalServerOptions): Promise<LocalServer> {
  await requireFittingState(options.stateFolder, join(import.meta.dirname, '../migrations'))
  const log = new LogTail()
  const tooLate = AbortSignal.timeout(startSeconds * 1000)
  const starting = AbortSignal.any([options.signal, tooLate])
  const failed = (what: string) => new Failure(`${what}\n\n${log.text()}`)
  try {
    const env = await prepareState(options.stateFolder)
    await applyMigrations(options.stateFolder, env, log, starting)
    return await serve(options, env, log, starting)
  } catch (error) {
    if (options.signal.aborted) throw options.signal.reason
    if (tooLate.aborted) throw failed(`The server was not up after ${startSeconds} seconds.`)
    throw error instanceof Failure ? failed(error.message) : error
  }
}

/** Makes the state folder, and gives the environment that keeps wrangler inside it, quiet and off the network. */
async function prepareState(stateFolder: string): Promise<NodeJS.ProcessEnv> {
  const configFolder = join(stateFolder, 'config')
  await mkdir(configFolder, { recursive: true })
  await writeFile(emptyVarsFile(stateFolder), '')
  return {
    ...process.env,
    ...quietWrangler,
    WRANGLER_REGISTRY_PATH: join(stateFolder, 'registry'),
    XDG_CONFIG_HOME: configFolder,
  }
}

const emptyVarsFile = (stateFolder: string) => join(stateFolder, 'empty.env')

async function applyMigrations(stateFolder: string, env: NodeJS.ProcessEnv, log: LogTail, signal: AbortSignal) {
  const args = ['d1', 'migrations', 'apply', 'DB', '--local', '--persist-to', dataFolder(stateFolder)]
  const migrations = startWrangler(args, env, (line) => log.add(line))
  try {
    const code = await Promise.race([migrations.exited, rejectOnAbort(signal)])
    if (code !== 0) throw new Failure('The migrations could not be applied.')
    log.clear()
  } finally {
    await migrations.end()
  }
}

async function serve(
  options: LocalServerOptions,
  env: NodeJS.ProcessEnv,
  log: LogTail,
  starting: AbortSignal,
): Promise<LocalServer> {
  const { port, stateFolder, readDevVars } = options
  const apexUrl = new URL(`http://localhost:${port}`)
  let state: 'starting' | 'ready' | 'stopping' = 'starting'
  let schedule: NodeJS.Timeout | undefined

  const args = [
    'dev',
    ...['--config', 'wrangler.toml', '--local', '--persist-to', dataFolder(stateFolder)],
    ...['--ip', '127.0.0.1', '--port', String(port), '--inspector-port', '0'],
    '--show-interactive-dev-session=false',
    ...(readDevVars ? [] : ['--env-file', emptyVarsFile(stateFolder)]),
    ...Object.entries({ ...devVars, CALLBACK_URL: apexUrl.origin, ...options.vars }).flatMap(([name, value]) => [
      '--var',
      `${name}:${value}`,
    ]),
  ]
  const note = (line: string) => {
    log.add(line)
    if (state === 'ready') options.onLogLine?.(line)
  }
  const worker = startWrangler(args, env, note)

  const died = worker.exited.then((code) => {
    if (state === 'stopping') return new Promise<never>(() => {})
    throw new Failure(`The server ended by itself, with ${code === null ? 'a signal' : `exit code ${code}`}.`)
  })
  // Whoever waits for something else races it against `died`; when nobody does, a death must not crash this process.
  died.catch(() => {})

  const stop = async () => {
    state = 'stopping'
    clearInterval(schedule)
    await worker.end()
  }

  const kill = async () => {
    state = 'stopping'
    worker.kill()
    await stop()
  }

  const settled = new AbortController()
  try {
    await Promise.race([waitUntilHealthy(apexUrl, AbortSignal.any([starting, settled.signal])), died])
  } catch (error) {
    await stop()
    throw error
  } finally {
    settled.abort()
  }
  state = 'ready'
  schedule = setInterval(() => runScheduledHandler(apexUrl, note), scheduleSeconds * 1000)

  return {
    apexUrl,
    domainUrl: (slug) => new URL(`http://${slug}.localhost:${port}`),
    died,
    logTail: () => log.text(),
    stop,
    kill,
  }
}

function startWrangler(args: string[], env: NodeJS.ProcessEnv, onLine: (line: string) => void): ProcessGroup {
  const wrangler = join(dirname(fileURLToPath(import.meta.resolve('wrangler/package.json'))), 'bin/wrangler.js')
  return startProcessGroup([wrangler, ...args], { cwd: join(import.meta.dirname, '..'), env, onLine })
}

async function waitUntilHealthy(apexUrl: URL, signal: AbortSignal): Promise<void> {
  for (;;) {
    const attempt = AbortSignal.any([signal, AbortSignal.timeout(5000)])
    const answer = await callLocal(new URL('/healthz', apexUrl), { signal: attempt }).catch(() => undefined)
    if (answer?.status === 200) return
    await sleep(100, undefined, { signal })
  }
}

async function runScheduledHandler(apexUrl: URL, note: (line: string) => void): Promise<void> {
  const signal = AbortSignal.timeout(scheduleSeconds * 1000)
  const answer = await callLocal(new URL('/cdn-cgi/handler/scheduled', apexUrl), { signal }).catch(() => undefined)
  if (answer?.status !== 200) note('The scheduled handler did not succeed.')
}

/**
 * Makes a domain that takes anonymous uploads and lets everyone read them, and of which `policy` says more. One that is
 * there already stays as it is.
 */
export async function ensureOpenDomain(
  server: LocalServer,
  slug: string,
  signal: AbortSignal,
  policy: Record<string, unknown> = {},
): Promise<void> {
  const domain = { slug, hostnames: [], policy: { anonymousUpload: true, publicRead: true, ...policy } }
  const answer = await callLocal(new URL('/v1/domains', server.apexUrl), {
    method: 'POST',
    headers: { authorization: `Bearer ${devAdminToken}`, 'content-type': 'application/json' },
    body: [Buffer.from(JSON.stringify(domain))],
    signal,
  })
  const exists = answer.status === 409 && Object(jsonOf(answer)).code === 'domain-exists'
  if (answer.status !== 201 && !exists) {
    throw new Failure(`The domain "${slug}" could not be made: ${describeAnswer(answer)}`)
  }
}

function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}
