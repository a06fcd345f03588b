import { spawn } from 'node:child_process'
import { stripVTControlCharacters } from 'node:util'
import { Failure } from '../failure.ts'

/** How a run of a program ended. */
export interface Ended {
  exitCode: number
  /** Without colours. */
  stdout: string
  stderr: string
}

export interface ProgramOptions {
  /** Where it runs: the folder that holds wrangler.toml. */
  folder: string
  env: NodeJS.ProcessEnv
  signal: AbortSignal
  /** Its standard input. */
  input?: string
  /** Gives it this process's own terminal, so that it can ask; what it says is then shown, and not kept. */
  inTerminal?: boolean
}

/**
 * Runs a program on the PATH to its end, and gives what it said, whatever its exit code. Throws a `Failure` when there is
 * no such program, and the signal's reason when that aborts.
 */
export function runProgram(
  name: string,
  args: readonly string[],
  { folder, env, signal, input = '', inTerminal = false }: ProgramOptions,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(name, args, {
      cwd: folder,
      env: inTerminal ? env : { ...env, NO_COLOR: '1', FORCE_COLOR: '0' },
      stdio: inTerminal ? 'inherit' : 'pipe',
      signal,
    })
    const said = { stdout: '', stderr: '' }
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream]?.setEncoding('utf8').on('data', (text: string) => {
        said[stream] += text
      })
    }
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (signal.aborted) reject(signal.reason)
      else if (error.code !== 'ENOENT') reject(error)
      else reject(new Failure(`There is no ${name} on the PATH. Run "npm ci", then "npm run setup:cloudflare".`))
    })
    child.once('close', (code) =>
      resolve({
        exitCode: code ?? 1,
        stdout: stripVTControlCharacters(said.stdout),
        stderr: stripVTControlCharacters(said.stderr),
      }),
    )
    // A program that ends before it has read its input says why itself.
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })
}
