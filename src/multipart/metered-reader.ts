import type { ByteReader } from './byte-source.ts'
import { MultipartError } from './errors.ts'

/** A source that is counted, read by one call at a time, and stays failed once it has failed. */
export class MeteredReader {
  readonly #reader: ByteReader
  readonly #maxBytes: number
  #reading = false
  #failure: { error: unknown } | undefined

  /** Bytes read so far. */
  received = 0
  /** The source has no more bytes. */
  ended = false

  constructor(reader: ByteReader, maxBytes: number) {
    this.#reader = reader
    this.#maxBytes = maxBytes
  }

  /** Throws what went wrong before, or a TypeError while another call is under way. Every public call begins so. */
  checkUsable(): void {
    if (this.#failure) throw this.#failure.error
    if (this.#reading) throw new TypeError('A multipart body is read by one call at a time: await the one before')
  }

  /** Keeps the error, so that every later call meets it again, and gives it back to be thrown. */
  fail(error: unknown): unknown {
    this.#failure ??= { error }
    return error
  }

  /** One read into the view's memory, which comes back transferred. Sets `ended`, with no bytes, at the end. */
  async read(view: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    this.#reading = true
    try {
      const { done, value } = await this.#reader.read(view)
      const bytes = (value ?? new Uint8Array(0)) as Uint8Array<ArrayBuffer>
      this.ended = done && bytes.length === 0
      this.received += bytes.length
      if (this.received > this.#maxBytes) {
        const message = `The body is longer than ${this.#maxBytes} bytes`
        throw new MultipartError('body-too-large', message, {
          limit: this.#maxBytes,
          value: this.received,
        })
      }
      return bytes
    } finally {
      this.#reading = false
    }
  }
}
