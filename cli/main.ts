#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { CommanderError } from 'commander'
import { CommandError, exitCodes, WrongUse } from './errors.ts'
import { Output } from './output.ts'
import { buildProgram } from './program.ts'
import { abortOnSignals } from './signals.ts'

/** `stevedore`: reads the command line, runs one command, and ends with its exit code. */
async function main(): Promise<number> {
  const { stdin, stdout, stderr, env, argv } = process
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  const signal = abortOnSignals()
  try {
    let exitCode: number = exitCodes.ok
    const end = (code: number) => {
      exitCode = code
    }
    await buildProgram({ stdin, stdout, stderr, env, version, signal, end }).parseAsync(argv)
    return exitCode
  } catch (error) {
    const cause = toCommandError(error)
    if (cause === null) return exitCodes.ok
    // Asked of the words themselves: a command line that can't be read has no options yet.
    const out = new Output({ json: argv.includes('--json'), stdout, stderr, env })
    if (out.json && cause instanceof CommandError) out.result({ error: cause.describe() }, '')
    out.complain(cause)
    return cause instanceof CommandError ? cause.exitCode : exitCodes.unexpected
  }
}

/** What commander throws, as an error of ours; null when it only printed the help or the version it was asked for. */
function toCommandError(error: unknown): unknown {
  if (!(error instanceof CommanderError)) return error
  if (error.exitCode === 0) return null
  if (error.code === 'commander.help') return new WrongUse('Which command? The list is above.')
  return new WrongUse(`${error.message.replace(/^error: /, '')}\nAdd --help to see how it is used.`)
}

process.exitCode = await main()
// A pipe that nobody has closed would keep the process waiting for more.
process.stdin.destroy()
