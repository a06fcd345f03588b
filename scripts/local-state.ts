import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure } from './failure.ts'

/** Where wrangler keeps the local R2, D1 and Queues of a state folder. */
export const dataFolder = (stateFolder: string) => join(stateFolder, 'data')

/** Which migrations a state was made with: the SHA-256 of each, by its name. */
type Fingerprints = Record<string, string>

/**
 * Sees that the local database, if there is one, was made with the migrations that there are now, and notes them beside
 * it before they are applied; more may have come since. Wrangler goes by their names alone: it would take a first
 * migration that has changed, which it may until the first release, for one that is applied, and the server would
 * miss tables. Throws a `Failure` that names the folder to remove.
 */
export async function requireFittingState(stateFolder: string, migrationsFolder: string): Promise<void> {
  const noteFile = join(stateFolder, 'migrations.json')
  const present = await fingerprintsIn(migrationsFolder)
  const noted: Fingerprints | null = existsSync(noteFile) ? JSON.parse(await readFile(noteFile, 'utf8')) : null
  const hasData = existsSync(dataFolder(stateFolder))
  // Without a note the state is older than the notes are.
  const fits = noted ? Object.entries(noted).every(([name, hash]) => present[name] === hash) : !hasData
  if (hasData && !fits) {
    throw new Failure(
      `The local state in ${stateFolder} was made by another version of Stevedore: its database does not fit the migrations here.\nRemove that folder, with the files that were uploaded to it, and start again.`,
    )
  }
  await mkdir(stateFolder, { recursive: true })
  await writeFile(noteFile, `${JSON.stringify(present, null, 2)}\n`)
}

async function fingerprintsIn(migrationsFolder: string): Promise<Fingerprints> {
  const names = (await readdir(migrationsFolder)).filter((name) => name.endsWith('.sql')).sort()
  const hashes = await Promise.all(
    names.map(async (name) => {
      const text = await readFile(join(migrationsFolder, name))
      return [name, createHash('sha256').update(text).digest('hex')] as const
    }),
  )
  return Object.fromEntries(hashes)
}
