import { createHash, type Hash } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { type FileHandle, open, rm, stat } from 'node:fs/promises'
import { BadOutcome, WrongUse } from '../errors.ts'

/** Takes the bytes of a download, and knows how many and which it has. */
export interface Sink {
  /** How many bytes are here; a download goes on after them. */
  readonly takenBytes: number
  /** The SHA-256 of all of them, in hexadecimal; asked once, at the end. */
  digest(): string
  write(piece: Buffer): Promise<void>
  /** Forgets what is here. Throws where that is out of reach already. */
  restart(): Promise<void>
  close(): Promise<void>
  /** Removes what is here, as far as it can be. */
  discard(): Promise<void>
}

/** A part file, with what an earlier download has left in it: at most `wholeBytes`, or it is of no use. */
export async function openPartFile(path: string, wholeBytes: number): Promise<Sink> {
  const found = await stat(path).catch(() => null)
  const part = new PartFile(path)
  if (found && found.size > 0 && found.size <= wholeBytes) await part.readBack()
  else if (found) await part.restart()
  return part
}

class PartFile implements Sink {
  takenBytes = 0
  readonly #path: string
  #hash: Hash = createHash('sha256')
  /** Opened with the first byte: what is refused leaves no file. */
  #file: FileHandle | undefined

  constructor(path: string) {
    this.#path = path
  }

  async readBack(): Promise<void> {
    for await (const piece of createReadStream(this.#path)) {
      this.#hash.update(piece)
      this.takenBytes += piece.length
    }
  }

  digest(): string {
    return this.#hash.digest('hex')
  }

  async write(piece: Buffer): Promise<void> {
    await this.#writing(async () => {
      this.#file ??= await open(this.#path, 'a', 0o666)
      await this.#file.appendFile(piece)
    })
    this.#hash.update(piece)
    this.takenBytes += piece.length
  }

  async restart(): Promise<void> {
    await this.discard()
    this.#hash = createHash('sha256')
    this.takenBytes = 0
  }

  /** An upload of no bytes has its file here as well. */
  async close(): Promise<void> {
    await this.#writing(async () => {
      this.#file ??= await open(this.#path, 'a', 0o666)
      await this.#file.sync()
      await this.#file.close()
      this.#file = undefined
    })
  }

  async discard(): Promise<void> {
    await this.#file?.close()
    this.#file = undefined
    await rm(this.#path, { force: true })
  }

  async #writing(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      const { message } = error as Error
      throw new WrongUse(`The download can't be written: ${message}`, { cause: error })
    }
  }
}

/** A stream such as standard output: what it was given is gone for good. */
export class StreamSink implements Sink {
  takenBytes = 0
  readonly #stream: NodeJS.WritableStream
  readonly #signal: AbortSignal
  readonly #hash = createHash('sha256')

  constructor(stream: NodeJS.WritableStream, signal: AbortSignal) {
    this.#stream = stream
    this.#signal = signal
  }

  digest(): string {
    return this.#hash.digest('hex')
  }

  async write(piece: Buffer): Promise<void> {
    this.#hash.update(piece)
    this.takenBytes += piece.length
    if (this.#stream.write(piece)) return
    await once(this.#stream, 'drain', { signal: this.#signal }).catch(() => this.#signal.throwIfAborted())
  }

  async restart(): Promise<void> {
    throw new BadOutcome('The content has changed since its first bytes were written. Download it again.')
  }

  async close(): Promise<void> {}

  async discard(): Promise<void> {}
}
