import { createHash } from 'node:crypto'
import { constants, createReadStream } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { WrongUse } from '../errors.ts'

/** Bytes to upload. */
export interface Source {
  /** As the command line names it. */
  path: string
  /** The filename that the upload gets. */
  name: string
  /** Null where nobody knows before the end. */
  size: number | null
  /** The bytes from their beginning. Standard input has only one. */
  read(): AsyncIterable<Buffer>
}

/** What stands for standard input on a command line. */
export const standardInput = '-'

const pieceBytes = 256 * 1024

/**
 * A file of this machine, or standard input, as something to upload; `name` replaces the file's own. Throws `WrongUse`
 * for what can't be uploaded: a directory, a file that is not there or may not be read.
 */
export async function openSource(path: string, name: string | undefined, stdin: NodeJS.ReadStream): Promise<Source> {
  if (path === standardInput) return { path, name: requireName(name), size: null, read: () => stdin }
  const found = await stat(path).catch((error) => {
    throw cannotRead(path, error)
  })
  if (found.isDirectory()) {
    throw new WrongUse(`"${path}" is a directory. Name the files in it, for example ${path.replace(/\/+$/, '')}/*`)
  }
  if (!found.isFile()) throw new WrongUse(`"${path}" is no regular file. Pipe it: … | stevedore upload - --name NAME`)
  await access(path, constants.R_OK).catch((error) => {
    throw cannotRead(path, error)
  })
  const { size } = found
  return { path, name: requireName(name ?? basename(path)), size, read: () => readFile(path, size) }
}

/** The SHA-256 of a source's bytes, in hexadecimal. Reads all of it. */
export async function digestOf({ read }: Source, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of read()) {
    signal.throwIfAborted()
    hash.update(piece)
  }
  return hash.digest('hex')
}

/** Exactly as many bytes as were promised: a file that has grown meanwhile is cut, one that has shrunk is an error. */
async function* readFile(path: string, size: number): AsyncGenerator<Buffer> {
  if (size === 0) return
  let readBytes = 0
  try {
    for await (const piece of createReadStream(path, { end: size - 1, highWaterMark: pieceBytes })) {
      readBytes += piece.length
      yield piece
    }
  } catch (error) {
    throw cannotRead(path, error)
  }
  if (readBytes < size) throw new WrongUse(`"${path}" has become shorter while it was read.`)
}

function requireName(name: string | undefined): string {
  if (name === undefined) throw new WrongUse('What comes from standard input needs a name: --name report.pdf')
  // A path would drop the last two.
  if (!['', '.', '..'].includes(name)) return name.toWellFormed()
  throw new WrongUse(`"${name}" is no filename.`)
}

const reasons = new Map([
  ['ENOENT', 'there is no such file'],
  ['EACCES', 'it may not be read'],
  ['EISDIR', 'it is a directory'],
])

function cannotRead(path: string, error: NodeJS.ErrnoException | unknown): WrongUse {
  const { code, message } = error as NodeJS.ErrnoException
  return new WrongUse(`"${path}" can't be read: ${reasons.get(code ?? '') ?? message}.`, { cause: error })
}
