const exitCodes = new Map<NodeJS.Signals, number>([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
])
const parentCheckMilliseconds = 500

/** Why a script stops early: the user, or what runs it, asked for it or is gone. */
export class StopRequest extends Error {
  override name = 'StopRequest'
  readonly exitCode: number

  constructor(reason: string, exitCode = 1) {
    super(`Stopped: ${reason}.`)
    this.exitCode = exitCode
  }
}

/**
 * Aborts with a `StopRequest` at the first Ctrl-C or kill, when nobody reads the output any more, and when the npm that
 * runs the script was killed and could not pass it on. Later signals are ignored: stopping is already under way.
 */
export function abortOnStopSignals(): AbortSignal {
  const controller = new AbortController()
  const stop = (reason: string, exitCode?: number) => controller.abort(new StopRequest(reason, exitCode))

  for (const [signal, exitCode] of exitCodes) process.on(signal, () => stop(signal, exitCode))
  process.stdout.on('error', () => stop('the output was closed'))
  process.stderr.on('error', () => stop('the output was closed'))

  if (process.env.npm_lifecycle_event) {
    const npm = process.ppid
    setInterval(() => process.ppid !== npm && stop('npm is gone'), parentCheckMilliseconds).unref()
  }
  return controller.signal
}
