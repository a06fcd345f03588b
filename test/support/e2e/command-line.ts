import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { expect } from 'vitest'
import { repository } from './local-worker.ts'
import { run } from './programs.ts'

/** How a run of the command ended, and what it said. */
export interface Ended {
  exitCode: number | null
  stdout: Buffer
  stderr: string
  /** Standard output as one JSON document; throws when it is anything else. */
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into documents of any shape
  json(): any
}

/** A run of the command that a test can feed and stop. */
export interface Running {
  ended: Promise<Ended>
  /** Gives bytes to its standard input, which stays open. */
  write(bytes: Uint8Array): void
  kill(signal: NodeJS.Signals): void
}

export interface Run {
  env?: Record<string, string>
  cwd?: string
  input?: Uint8Array | string
}

export const builtCommand = join(repository, 'dist/cli/main.js')

/** Builds the command from the sources as they are now. */
export async function buildCommand(): Promise<void> {
  await run(process.execPath, [join(repository, 'node_modules/typescript/bin/tsc'), '-p', join(repository, 'cli')])
}

/** Runs `stevedore` to its end, with nothing of this process's own environment but what finds programs. */
export function stevedore(args: readonly string[], { input = '', ...options }: Run = {}): Promise<Ended> {
  return start(args, options, input).ended
}

/** Starts `stevedore` with its standard input left open. */
export function startStevedore(args: readonly string[], options: Omit<Run, 'input'> = {}): Running {
  return start(args, options)
}

function start(args: readonly string[], { env, cwd }: Run, input?: Uint8Array | string): Running {
  const { PATH, HOME } = process.env
  const environment: Record<string, string | undefined> = { PATH, HOME, ...env }
  const child = spawn(process.execPath, [builtCommand, ...args], {
    cwd: cwd ?? repository,
    env: environment as NodeJS.ProcessEnv,
  })
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
  // A command that ends before it has read its input says why itself.
  child.stdin.on('error', () => {})
  if (input !== undefined) child.stdin.end(input)
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (exitCode) => {
      const out = Buffer.concat(stdout)
      const errors = Buffer.concat(stderr).toString()
      resolve({ exitCode, stdout: out, stderr: errors, json: () => JSON.parse(out.toString()) })
    })
  })
  return { ended, write: (bytes) => child.stdin.write(bytes), kill: (signal) => child.kill(signal) }
}

/** Fails with all that the command said when it ended with another code. */
export function expectExit(ended: Ended, exitCode: number): void {
  expect(ended.exitCode, `${ended.stdout}\n${ended.stderr}`).toBe(exitCode)
}
