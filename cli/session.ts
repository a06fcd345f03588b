import type { Command } from 'commander'
import { Client } from './client.ts'
import { exitCodes, WrongUse } from './errors.ts'
import { Output } from './output.ts'
import { isExposed, resolveSettings } from './settings.ts'
import { parseCount } from './text.ts'

/** What the command runs in; `main` gives the process's own. */
export interface Surroundings {
  stdin: NodeJS.ReadStream
  stdout: NodeJS.WriteStream
  stderr: NodeJS.WriteStream
  env: Record<string, string | undefined>
  version: string
  /** Aborts with what the command then ends with. */
  signal: AbortSignal
  /** Takes the exit code of a command that came to its end. */
  end(exitCode: number): void
}

/** What every command works with. */
export interface Session {
  client: Client
  out: Output
  stdin: NodeJS.ReadStream
}

/** The options that every command has. */
interface SharedOptions {
  url?: string
  key?: string
  domain?: string
  json?: boolean
  retries: string
}

/**
 * Runs a command's action with its options, its arguments, and a session made of the options that all commands share.
 * The action may give an exit code; without one the command is done.
 */
export type Act = <Own, Arguments extends unknown[]>(
  // biome-ignore lint/suspicious/noConfusingVoidType: most actions end without a word
  action: (session: Session, options: Own, ...args: Arguments) => Promise<number | void>,
) => (...received: unknown[]) => Promise<void>

/** Makes the `Act` of a program that runs in these surroundings. */
export function actIn(surroundings: Surroundings): Act {
  return (action) =>
    async (...received) => {
      // Commander hands over the arguments, the command's own options, and the command.
      const command = received.at(-1) as Command
      const args = received.slice(0, -2)
      const session = openSession(surroundings, command.optsWithGlobals())
      surroundings.end((await action(session, command.opts() as never, ...(args as never))) ?? exitCodes.ok)
    }
}

function openSession(surroundings: Surroundings, options: SharedOptions): Session {
  const { stdin, stdout, stderr, env, version, signal } = surroundings
  const settings = resolveSettings(options, env)
  const out = new Output({ json: options.json ?? false, stdout, stderr, env })
  if (settings.key !== undefined && isExposed(settings.url)) {
    out.note(`Warning: ${settings.url.origin} is not encrypted, and the key can be read on the way. Use https.`)
  }
  const retries = parseCount(options.retries, '--retries', 0)
  const client = new Client({ settings, version, retries, signal, note: (text) => out.note(text) })
  return { client, out, stdin }
}

/** The slug of the domain that a command of administration is for. Throws `WrongUse` where none, or a hostname, is named. */
export function requireDomain({ client }: Session): string {
  const { domain } = client.settings
  if (domain?.includes('.')) {
    throw new WrongUse(`"${domain}" is a hostname, and this command wants the domain's slug: --domain SLUG.`)
  }
  if (domain !== undefined) return domain
  throw new WrongUse('Which domain? Name it by --domain SLUG or STEVEDORE_DOMAIN.')
}
