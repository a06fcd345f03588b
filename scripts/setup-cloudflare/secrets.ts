import { z } from 'zod'
import { Failure } from '../failure.ts'
import type { PrivateNotes } from './private-notes.ts'
import type { Step } from './step.ts'
import { commandLine, failureOf, type Wrangler } from './wrangler.ts'

const names = ['ADMIN_TOKEN', 'SIGNING_SECRET'] as const

/** src/env.ts wants as many characters. */
const shortestAdminToken = 12

const listShape = z.array(z.looseObject({ name: z.string() }))

export interface SecretsOptions {
  wrangler: Wrangler
  /** The Worker's name, for what is said about it. */
  worker: string
  notes: PrivateNotes
  /** A token that the administrator has chosen; one is made otherwise. */
  adminToken: string | undefined
  /** Makes a secret that nobody can guess. */
  newSecret: () => string
}

/** The secrets that the Worker has none of yet. One that is there stays as it is: tokens and links depend on it. */
export function secretsStep({ wrangler, worker, notes, adminToken, newSecret }: SecretsOptions): Step {
  // The values go in by standard input: others on this machine see a command's arguments.
  const store = ['secret', 'bulk', '--env', 'production']
  return {
    title: `secrets of the Worker "${worker}"`,
    commands: [`${commandLine(store)}   # ${names.join(' and ')}, where absent, on standard input`],
    look: async () => ((await missingSecrets(wrangler)).length === 0 ? 'set already' : undefined),
    run: async () => {
      const values = new Map<string, string>()
      for (const name of await missingSecrets(wrangler)) {
        values.set(name, name === 'ADMIN_TOKEN' ? await chooseAdminToken() : newSecret())
      }
      await wrangler.run(store, { input: JSON.stringify(Object.fromEntries(values)) })
    },
  }

  async function chooseAdminToken(): Promise<string> {
    const token = adminToken ?? notes.now.adminToken ?? newSecret()
    if (token.length < shortestAdminToken) {
      throw new Failure(`ADMIN_TOKEN has ${token.length} characters; it needs at least ${shortestAdminToken}.`)
    }
    // Before Cloudflare has it, since afterwards it can't be asked for.
    if (adminToken === undefined) await notes.change({ adminToken: token })
    return token
  }
}

async function missingSecrets(wrangler: Wrangler): Promise<string[]> {
  const args = ['secret', 'list', '--env', 'production', '--format', 'json']
  const ended = await wrangler.try(args)
  // Before the first deployment there is no Worker that could have any.
  if (ended.exitCode !== 0 && /^.*Worker ".*" .*not found/m.test(ended.stderr)) return [...names]
  if (ended.exitCode !== 0) throw failureOf(args, ended)
  const present = new Set(listShape.parse(JSON.parse(ended.stdout)).map(({ name }) => name))
  return names.filter((name) => !present.has(name))
}
