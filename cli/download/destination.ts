import { link, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Upload } from '../api.ts'
import { WrongUse } from '../errors.ts'
import { printable } from '../text.ts'

/** Where a download ends up, and where it is gathered until it is whole and right. */
export interface Destination {
  path: string
  /** Beside it, so that it can be renamed, and of this upload alone: another one's bytes are never gone on with. */
  partPath: string
}

/**
 * Where to put an upload: at `output`, in the directory `output`, or in the current one under the upload's own name.
 * Throws `WrongUse` where something is already, unless `force` says to replace it.
 */
export async function chooseDestination(
  upload: Pick<Upload, 'id' | 'filename'>,
  { output, force }: { output: string | undefined; force: boolean },
): Promise<Destination> {
  const name = safeName(upload.filename)
  const path = output === undefined ? name : (await isDirectory(output)) ? join(output, name) : output
  const partPath = join(dirname(path), `.stevedore-${safeName(upload.id)}.part`)
  if (!force && (await exists(path))) throw existsAlready(path)
  return { path, partPath }
}

/** Gives the gathered file its name in one step: nobody ever sees half of it, and nothing is replaced without `force`. */
export async function finish({ path, partPath }: Destination, { force }: { force: boolean }): Promise<void> {
  if (force) return rename(partPath, path)
  try {
    await link(partPath, path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') throw existsAlready(path)
    // A file system without hard links: the look and the rename are two steps there.
    if (await exists(path)) throw existsAlready(path)
    return rename(partPath, path)
  }
  await rm(partPath)
}

/** A stranger's filename as one of this directory: no path, and no hidden file that some program might read. */
function safeName(filename: string): string {
  const name = basename(printable(filename).replaceAll('\\', '/')).replace(/^\.+/, '')
  return name === '' ? 'unnamed' : name
}

const isDirectory = (path: string) =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  )

function existsAlready(path: string): WrongUse {
  return new WrongUse(`"${path}" is there already. Give another name with -o, or replace it with --force.`)
}
