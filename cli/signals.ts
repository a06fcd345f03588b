import { Interrupted } from './errors.ts'

const numbers = new Map<NodeJS.Signals, number>([
  ['SIGINT', 2],
  ['SIGTERM', 15],
  ['SIGHUP', 1],
])
const sigpipe = 13

/**
 * Aborts with `Interrupted` at the first Ctrl-C or kill, so that the command can put its things in order, and when
 * nobody reads the output any more. A second signal ends the process at once.
 */
export function abortOnSignals(): AbortSignal {
  const controller = new AbortController()
  for (const [signal, number] of numbers) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(128 + number)
      controller.abort(new Interrupted(signal, 128 + number))
    })
  }
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', () => controller.abort(new Interrupted('nobody reads the output any more', 128 + sigpipe)))
  }
  return controller.signal
}
