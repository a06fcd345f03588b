import { CommandError, Refused } from './errors.ts'
import { printable } from './text.ts'

type Stream = NodeJS.WriteStream

/**
 * What a command tells: its result on standard output, everything else on standard error. With `json` the result is one
 * JSON document, also when the command fails.
 */
export class Output {
  readonly json: boolean
  readonly stdout: Stream
  readonly stderr: Stream
  readonly #env: Record<string, string | undefined>

  constructor(streams: { json: boolean; stdout: Stream; stderr: Stream; env: Record<string, string | undefined> }) {
    this.json = streams.json
    this.stdout = streams.stdout
    this.stderr = streams.stderr
    this.#env = streams.env
  }

  /** The columns that a table may take; unlimited where the output is no terminal, so that scripts get a row a line. */
  get width(): number {
    return this.stdout.isTTY ? this.stdout.columns : Number.POSITIVE_INFINITY
  }

  /** Prints a command's result: `value` for machines, `text` for people. */
  result(value: unknown, text: string): void {
    this.stdout.write(`${this.json ? JSON.stringify(value, null, 2) : text}\n`)
  }

  /** Prints a line of a result that comes in pieces; machines get all of it at the end, by `document`. */
  line(text: string): void {
    if (!this.json) this.stdout.write(`${text}\n`)
  }

  /** Prints what `line` has told people, for machines. */
  document(value: unknown): void {
    if (this.json) this.result(value, '')
  }

  /** Says something beside the result. */
  note(text: string): void {
    this.stderr.write(`${printable(text)}\n`)
  }

  /**
   * Says why something failed, in sentences: what was wrong, then the code and the request id to ask about it. `about`
   * names the one of several things that it is about.
   */
  complain(error: unknown, about?: string): void {
    const name = about === undefined ? '' : `${printable(about)}: `
    this.stderr.write(`${this.#paint('31', 'Error:')} ${name}${describeError(error)}\n`)
    if (!(error instanceof Refused)) return
    const { code, requestId } = error.problem
    const facts = [code && `code ${code}`, requestId && `request ${requestId}`].filter((fact) => fact !== undefined)
    if (facts.length > 0) this.stderr.write(`${this.#paint('2', printable(`  (${facts.join(', ')})`))}\n`)
  }

  #paint(code: string, text: string): string {
    const { NO_COLOR, TERM } = this.#env
    const isPlain = !this.stderr.isTTY || Boolean(NO_COLOR) || TERM === 'dumb'
    return isPlain ? text : `\u001b[${code}m${text}\u001b[0m`
  }
}

function describeError(error: unknown): string {
  if (error instanceof CommandError) return printable(error.message)
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
