import { Unavailable } from '../core/errors.ts'
import { asTrouble } from './trouble.ts'

/**
 * Reads bytes of an object in order, into the caller's memory. It throws `Unavailable` where R2 breaks off, also where it
 * only seems to have come to the end.
 */
export class ObjectReader {
  readonly #reader: ReadableStreamBYOBReader
  #leftBytes: number

  constructor(body: ReadableStream<Uint8Array>, bytes: number) {
    this.#reader = body.getReader({ mode: 'byob' })
    this.#leftBytes = bytes
  }

  /** The view's ArrayBuffer is transferred: go on with the one in `value`. */
  async read(view: Uint8Array): Promise<{ done: boolean; value?: Uint8Array | undefined }> {
    const read = await this.#reader.read(view).catch((error) => {
      throw asTrouble(error)
    })
    this.#leftBytes -= read.value?.length ?? 0
    if (read.done && this.#leftBytes > 0) throw new Unavailable('R2 ended an object before its last byte.')
    return read
  }

  /** Lets go of what has not been read. Never throws. */
  async cancel(): Promise<void> {
    await this.#reader.cancel().catch(() => {})
  }
}
