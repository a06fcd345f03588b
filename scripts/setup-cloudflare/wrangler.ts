import { Failure } from '../failure.ts'
import { type Ended, type ProgramOptions, runProgram } from './program.ts'

/** What Cloudflare refuses with a code of its own, and what a person does about it. */
const advice: { sign: string; todo: string }[] = [
  {
    sign: '[code: 10042]',
    todo: 'This account has no R2 yet. Enable it at https://dash.cloudflare.com/?to=/:account/r2/overview, then run this again.',
  },
  {
    sign: '[code: 100328]',
    todo: 'The Free plan sets no CPU limits. Remove the line "limits = …" from [env.production] in wrangler.toml (files are then limited by 10 ms of CPU a request), or take the Workers Paid plan.',
  },
  {
    sign: '[code: 10089]',
    todo: 'Analytics Engine is not switched on for this account. Switch it on at https://dash.cloudflare.com/?to=/:account/workers/analytics-engine, or remove the binding METRICS from [env.production] in wrangler.toml, then run this again.',
  },
  {
    sign: 'CLOUDFLARE_ACCOUNT_ID',
    todo: 'Say which account is meant: set CLOUDFLARE_ACCOUNT_ID, then run this again.',
  },
]

/** The `wrangler` on the PATH, run in the folder of a configuration. */
export class Wrangler {
  readonly #options: ProgramOptions

  constructor(options: ProgramOptions) {
    this.#options = options
  }

  /** Runs it to its end and gives what it said, whatever its exit code. Throws as `runProgram` does. */
  try(args: readonly string[], options: Pick<ProgramOptions, 'input' | 'inTerminal'> = {}): Promise<Ended> {
    const env = { ...this.#options.env, WRANGLER_HIDE_BANNER: 'true' }
    return runProgram('wrangler', args, { ...this.#options, env, ...options })
  }

  /** Runs it and gives what it wrote. Throws a `Failure` with wrangler's own message when it does not end well. */
  async run(args: readonly string[], options: Pick<ProgramOptions, 'input' | 'inTerminal'> = {}): Promise<string> {
    const ended = await this.try(args, options)
    if (ended.exitCode !== 0) throw failureOf(args, ended)
    return ended.stdout
  }

  /** Runs a command that prints JSON and gives its value. Throws as `run` does, and for what is no JSON. */
  async json(args: readonly string[]): Promise<unknown> {
    const text = await this.run(args)
    try {
      return JSON.parse(text)
    } catch {
      throw new Failure(`"${commandLine(args)}" should have printed JSON, and printed:\n\n${text.slice(0, 500)}`)
    }
  }
}

/** The command as a person types it. */
export function commandLine(args: readonly string[]): string {
  return ['npx', 'wrangler', ...args].map((arg) => (/^[\w./:@=-]+$/.test(arg) ? arg : `'${arg}'`)).join(' ')
}

/** What to tell about a command that failed: its line, what wrangler said, and what to do where that is known. */
export function failureOf(args: readonly string[], { exitCode, stdout, stderr }: Ended): Failure {
  const said = [stderr, stdout].map((text) => text.trim()).filter((text) => text !== '')
  // What it said straight to the terminal is not known here: the person there finds the row.
  const hints = said.length === 0 ? advice.map(({ sign, todo }) => `If it says ${sign}: ${todo}`) : adviceOn(said)
  const lines = [`"${commandLine(args)}" ended with exit code ${exitCode}:`, ...said, ...hints]
  return new Failure(lines.join('\n\n'))
}

function adviceOn(said: readonly string[]): string[] {
  const known = advice.find(({ sign }) => said.some((text) => text.includes(sign)))
  return known ? [known.todo] : []
}
