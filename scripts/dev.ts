import { relative, resolve } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { describeFailure, Failure } from './failure.ts'
import { devAdminToken, ensureOpenDomain, type LocalServer, startLocalServer } from './local-server.ts'
import { parsePort, requireFreePort } from './ports.ts'
import { abortOnStopSignals, StopRequest } from './stop-signals.ts'

/** Pictures get smaller ones, which the console shows. */
const demoSteps = [
  { step: 'inspect' },
  {
    step: 'image',
    options: { variants: { thumb: { width: 400, height: 300, fit: 'cover' }, page: { width: 1600 } } },
  },
]

/** `npm run dev`: serves the Worker on this machine until stopped. `PORT` and `STEVEDORE_STATE` change where. */
async function main(stopped: AbortSignal): Promise<void> {
  const port = parsePort(process.env.PORT || '8787')
  const stateFolder = resolve(process.env.STEVEDORE_STATE || '.stevedore/state')
  await requireFreePort(port)

  console.log('Starting Stevedore …')
  const onLogLine = (line: string) => console.log(process.stdout.isTTY ? line : stripVTControlCharacters(line))
  const server = await startLocalServer({ port, stateFolder, readDevVars: true, onLogLine, signal: stopped })
  try {
    await ensureOpenDomain(server, 'demo', stopped, { steps: demoSteps })
    console.log(banner(server, stateFolder))
    await Promise.race([server.died, untilAborted(stopped)])
  } catch (error) {
    if (error instanceof Failure) throw new Failure(`${error.message}\n\n${server.logTail()}`)
    throw error
  } finally {
    await server.stop()
  }
}

function banner(server: LocalServer, stateFolder: string): string {
  const demo = server.domainUrl('demo').origin
  return `
Stevedore is ready: ${demo}

  Console         ${server.apexUrl.origin}/
  Upload a file   curl -F file=@samples/harbour.png ${demo}/v1/uploads
  Administration  ${server.apexUrl.origin}/v1/domains with the token ${devAdminToken}
  Its files       ${relative('.', stateFolder) || '.'}
  Stop            Ctrl-C
`
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

try {
  await main(abortOnStopSignals())
  console.log('Stopped.')
} catch (error) {
  if (!(error instanceof StopRequest)) {
    console.error(describeFailure(error))
    process.exitCode = 1
  }
}
