import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestProgress } from './test-progress.ts'
import { sumCounts, type TestCounts } from './test-summary.ts'

export interface TestRunOptions {
  /** For vitest. */
  args: string[]
  env: NodeJS.ProcessEnv
  /** A run from which nothing is heard for so long has stalled, and is ended. */
  stallSeconds: number
  stopped: AbortSignal
}

/** How a run of vitest ended. */
export interface TestRun {
  /** Of the files that ended. */
  counts: TestCounts
  /** How the runner ended: `exit code 1`, `signal SIGKILL`. */
  exit: string
  /** Whether the runner reported the run's end itself. */
  isReported: boolean
  /** The files that were running when it stalled, each with its test; undefined when it did not stall. */
  stalledIn: string[] | undefined
  /** The files of a stalled run that did not end. */
  unfinished: string[]
}

interface RunningFile {
  test: string | undefined
  lastSign: number
}

/** Runs vitest to its end, or until it stalls. */
export async function runVitest({ args, env, stallSeconds, stopped }: TestRunOptions): Promise<TestRun> {
  const waiting = new Set<string>()
  const running = new Map<string, RunningFile>()
  const ended = new Map<string, TestCounts>()
  let isStarted = false
  let isReported = false
  let lastSign = Date.now()

  const note = (progress: TestProgress) => {
    lastSign = Date.now()
    if (progress.is === 'run started') {
      isStarted = true
      for (const file of progress.files) waiting.add(file)
    } else if (progress.is === 'run ended') {
      isReported = true
    } else if (progress.is === 'file ended') {
      waiting.delete(progress.file)
      running.delete(progress.file)
      ended.set(progress.file, progress.counts)
    } else if (!ended.has(progress.file)) {
      waiting.delete(progress.file)
      running.set(progress.file, { test: progress.test ?? running.get(progress.file)?.test, lastSign })
    }
  }

  const runner = startVitest(args, env)
  runner.on('message', note)
  const stop = () => signalGroup(runner, 'SIGTERM')
  stopped.addEventListener('abort', stop, { once: true })

  let stalledIn: string[] | undefined
  const watch = setInterval(() => {
    const oldest = Math.min(...[...running.values()].map((file) => file.lastSign), running.size ? Infinity : lastSign)
    if (!isStarted || Date.now() - oldest < stallSeconds * 1000) return
    stalledIn ??= [...running].map(([file, { test }]) => (test ? `${file}, in "${test}"` : file))
    signalGroup(runner, 'SIGKILL')
  }, 1000)

  const [code, signal] = await once(runner, 'exit')
  clearInterval(watch)
  stopped.removeEventListener('abort', stop)
  return {
    counts: sumCounts(ended.values()),
    exit: signal ? `signal ${signal}` : `exit code ${code}`,
    isReported,
    stalledIn,
    unfinished: stalledIn ? [...running.keys(), ...waiting] : [],
  }
}

/** In a process group of its own, which ends with all that the tests have started. */
function startVitest(args: string[], env: NodeJS.ProcessEnv): ChildProcess {
  const vitest = join(dirname(fileURLToPath(import.meta.resolve('vitest/package.json'))), 'vitest.mjs')
  const reporters = ['--reporter=default', `--reporter=${join(import.meta.dirname, 'test-progress.ts')}`]
  return spawn(process.execPath, [vitest, 'run', ...reporters, ...args], {
    cwd: join(import.meta.dirname, '..'),
    env,
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal)
  } catch {
    // It has ended.
  }
}
