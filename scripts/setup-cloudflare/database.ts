import { z } from 'zod'
import { Failure } from '../failure.ts'
import type { Database } from './configuration.ts'
import type { Step } from './step.ts'
import { commandLine, type Wrangler } from './wrangler.ts'

const listShape = z.array(z.looseObject({ uuid: z.string(), name: z.string() }))

/** The database, found by its name, or by its id where wrangler.toml has one. */
export function databaseStep(wrangler: Wrangler, database: Database): Step {
  const { name, jurisdiction } = database
  const create = ['d1', 'create', name, ...(jurisdiction === undefined ? [] : ['--jurisdiction', jurisdiction])]
  return {
    title: `database "${name}"`,
    commands: [commandLine(create)],
    look: async () => ((await findDatabase(wrangler, database)) === undefined ? undefined : 'there already'),
    run: async () => void (await wrangler.run(create)),
  }
}

/**
 * The id of the database in the account, or undefined when there is none of its name. Throws a `Failure` when
 * wrangler.toml has an id that the account knows nothing of: a second database would hide the data of the first.
 */
export async function findDatabase(wrangler: Wrangler, { binding, name, id }: Database): Promise<string | undefined> {
  const databases = listShape.parse(await wrangler.json(['d1', 'list', '--json']))
  if (id === undefined) return databases.find((database) => database.name === name)?.uuid
  if (databases.some(({ uuid }) => uuid === id)) return id
  throw new Failure(
    `wrangler.toml has the database ${id} as ${binding}, and this account has none with that id. Is it the right account? For a new database, put the id 00000000-0000-0000-0000-000000000000 there.`,
  )
}

/** The tables. Migrations that are applied already stay as they are. */
export function migrationStep(wrangler: Wrangler, { binding }: Database): Step {
  const where = [binding, '--remote', '--env', 'production']
  const apply = ['d1', 'migrations', 'apply', ...where]
  return {
    title: `migrations of ${binding}`,
    commands: [commandLine(apply)],
    look: async () => {
      const said = await wrangler.run(['d1', 'migrations', 'list', ...where])
      return said.includes('No migrations to apply') ? 'all applied' : undefined
    },
    run: async () => void (await wrangler.run(apply)),
  }
}
