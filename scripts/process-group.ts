import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

/** A child process and everything it started: one group, ended together. */
export interface ProcessGroup {
  /** Settles when the first process ended, with its exit code, or null when a signal ended it. */
  exited: Promise<number | null>
  /** Ends the whole group and resolves when none of it is left. May be called twice. */
  end(): Promise<void>
  /** Ends the whole group at once, at whatever line it is, as a power cut would. */
  kill(): void
}

export interface ProcessGroupOptions {
  cwd: string
  env: NodeJS.ProcessEnv
  /** Gets each line that the group writes, to standard output or standard error. */
  onLine: (line: string) => void
}

const patienceMilliseconds = 5000

/**
 * Starts Node on `args` in a process group of its own, so that a Ctrl-C in the terminal reaches this process only and
 * the order of stopping is ours. A leader in the group watches the pipe to this process and ends the group when it
 * closes, so that nothing is left over even when this process is killed outright.
 */
export function startProcessGroup(args: string[], { cwd, env, onLine }: ProcessGroupOptions): ProcessGroup {
  const leader = spawn(process.execPath, [join(import.meta.dirname, 'process-group-leader.ts'), ...args], {
    cwd,
    env,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  // The leader may be gone when the pipe is closed.
  leader.stdin.on('error', () => {})
  forwardLines(leader.stdout, onLine)
  forwardLines(leader.stderr, onLine)

  const exited = new Promise<number | null>((resolve) => {
    leader.once('exit', resolve)
    leader.once('error', (error) => {
      onLine(String(error))
      resolve(null)
    })
  })

  const end = async () => {
    leader.stdin.end()
    const patienceEnds = Date.now() + patienceMilliseconds
    // A leader that ended by itself may have left others behind: only it would have been patient with them.
    while (isRunning(leader) && Date.now() < patienceEnds) await sleep(20)
    // Bounded, for in a container whose first process reaps no children the dead stay members of their group.
    for (let tries = 0; signalGroup(leader, 'SIGKILL') && tries < 20; tries += 1) await sleep(20)
  }

  return { exited, end, kill: () => signalGroup(leader, 'SIGKILL') }
}

function forwardLines(stream: Readable, onLine: (line: string) => void) {
  let rest = ''
  stream.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onLine(line)
  })
  stream.on('end', () => rest && onLine(rest))
}

const isRunning = (child: ChildProcess) =>
  child.pid !== undefined && child.exitCode === null && child.signalCode === null

/** Signals every process of the group; false when there is none left. */
function signalGroup(leader: ChildProcess, signal: NodeJS.Signals): boolean {
  if (leader.pid === undefined) return false
  try {
    return process.kill(-leader.pid, signal)
  } catch {
    return false
  }
}
