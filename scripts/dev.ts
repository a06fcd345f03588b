import { relative, resolve } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { describeFailure, Failure } from './failure.ts'
import { devAdminToken, ensureOpenDomain, type LocalServer, startLocalServer } from './local-server.ts'
import { parsePort, requireFreePort } from './ports.ts'
import { abortOnStopSignals, StopRequest } from './stop-signals.ts'

/** `npm run dev`: serves the Worker on this machine until stopped. `PORT` and `STEVEDORE_STATE` change where. */
async function main(stopped: AbortSignal): Promise<void> {
  const port = parsePort(process.env.PORT || '8787')
  const stateFolder = resolve(process.env.STEVEDORE_STATE || '.stevedore/state')
  await requireFreePort(port)

  console.log('Starting Stevedore …')
  const onLogLine = (line: string) => console.log(process.stdout.isTTY ? line : stripVTControlCharacters(line))
  const server = await startLocalServer({ port, stateFolder, readDevVars: true, onLogLine, signal: stopped })
  try {
    await ensureOpenDomain(server, 'demo', stopped)
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
