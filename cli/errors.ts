import type { Problem } from './api.ts'

/** What the command ends with. Scripts rely on these; docs/command-line.md lists them. */
export const exitCodes = { ok: 0, refused: 1, wrongUse: 2, unreachable: 3, unexpected: 70 } as const

/** Something that ends a command and that its reader can act on: shown as sentences, or as JSON, without a stack. */
export abstract class CommandError extends Error {
  /** What kind of failure it is, for machines. */
  abstract readonly kind: string
  abstract readonly exitCode: number

  /** What stands under `error` in the JSON answer. */
  describe(): Record<string, unknown> {
    return { kind: this.kind, message: this.message }
  }
}

/** The command line is wrong, or names a file of this machine that can't be used. */
export class WrongUse extends CommandError {
  override readonly name = 'WrongUse'
  readonly kind = 'wrong-use'
  readonly exitCode = exitCodes.wrongUse
}

/** The server answered, and said no. */
export class Refused extends CommandError {
  override readonly name = 'Refused'
  readonly kind = 'refused'
  readonly exitCode = exitCodes.refused
  readonly problem: Problem

  constructor(problem: Problem) {
    super(`${problem.title}. ${problem.detail ?? ''}`.trim())
    this.problem = problem
  }

  override describe() {
    return { kind: this.kind, ...this.problem }
  }
}

/** The server did as it was told, and the outcome is still not what it should be: bytes that differ, a file that failed. */
export class BadOutcome extends CommandError {
  override readonly name = 'BadOutcome'
  readonly kind = 'bad-outcome'
  readonly exitCode = exitCodes.refused
}

/** No answer came: there is no server, or the connection broke. */
export class Unreachable extends CommandError {
  override readonly name = 'Unreachable'
  readonly kind = 'unreachable'
  readonly exitCode = exitCodes.unreachable
}

/** The user, or what runs the command, asked it to stop. The exit code is that of a program killed by the signal. */
export class Interrupted extends CommandError {
  override readonly name = 'Interrupted'
  readonly kind = 'interrupted'
  readonly exitCode: number

  constructor(reason: string, exitCode: number) {
    super(`Stopped: ${reason}.`)
    this.exitCode = exitCode
  }
}

/** What was not even tried, because something before it failed in a way that it would have failed as well. */
export class NotTried extends CommandError {
  override readonly name = 'NotTried'
  readonly kind = 'not-tried'
  readonly exitCode: number

  constructor({ exitCode }: CommandError) {
    super('Not tried after the error before it.')
    this.exitCode = exitCode
  }
}
