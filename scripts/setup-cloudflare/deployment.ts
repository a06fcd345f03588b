import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure } from '../failure.ts'
import { type Production, readProduction, writeProduction } from './configuration.ts'
import { findDatabase } from './database.ts'
import { type ProgramOptions, runProgram } from './program.ts'
import type { Step } from './step.ts'
import { commandLine, type Wrangler } from './wrangler.ts'

const fileName = 'wrangler.toml'

/** What wrangler.toml in this folder asks for. Throws a `Failure` for a file that is not as it should be. */
export async function readConfiguration(folder: string): Promise<Production> {
  return readProduction(await readFile(join(folder, fileName), 'utf8'))
}

export interface ConfigurationOptions {
  wrangler: Wrangler
  folder: string
  host: string
  /** The zone of the host's routes; null for a host that needs none. */
  zone: string | null
  production: Production
}

/** The host, its routes and the ids of the databases, in wrangler.toml. */
export function configurationStep({ wrangler, folder, host, zone, production }: ConfigurationOptions): Step {
  const path = join(folder, fileName)
  const routes = zone === null ? '' : `, routes ${host} and *.${host}/* in the zone ${zone}`
  const wanted = async () => {
    const databaseIds = new Map<string, string>()
    for (const database of production.databases) {
      const id = await findDatabase(wrangler, database)
      if (id !== undefined) databaseIds.set(database.binding, id)
    }
    const text = await readFile(path, 'utf8')
    return { text, written: writeProduction(text, { host, zone, databaseIds }) }
  }
  return {
    title: fileName,
    commands: [`edit ${fileName}: under [env.production] BASE_DOMAIN = "${host}"${routes}, database_id as created`],
    look: async () => {
      const { text, written } = await wanted()
      return text === written ? 'as it should be' : undefined
    },
    run: async () => writeFile(path, (await wanted()).written),
  }
}

/** The pages that the Worker serves, and everything else that is built from the sources. Built each time. */
export function buildStep({ folder, env, signal }: ProgramOptions): Step {
  const args = ['run', 'build']
  return {
    title: 'build',
    commands: [`npm ${args.join(' ')}`],
    look: async () => undefined,
    run: async () => {
      const { exitCode, stdout, stderr } = await runProgram('npm', args, { folder, env, signal })
      if (exitCode !== 0) throw new Failure(`"npm run build" ended with exit code ${exitCode}:\n\n${stdout}\n${stderr}`)
    },
  }
}

/**
 * The code. Deployed each time, which changes nothing where it is what runs already. Where a host has DNS records of
 * another kind, wrangler replaces them, and asks before if it has a terminal: so it gets ours when somebody is there.
 */
export function deployStep(wrangler: Wrangler, worker: string, isAttended: boolean): Step {
  const deploy = ['deploy', '--env', 'production']
  return {
    title: `Worker "${worker}"`,
    commands: [commandLine(deploy)],
    look: async () => undefined,
    run: async () => void (await wrangler.run(deploy, { inTerminal: isAttended })),
  }
}
