/**
 * Anything that fills the caller's memory; a `ReadableStreamBYOBReader` is one. The view's ArrayBuffer is transferred:
 * go on with the one in `value`. A read may give no bytes without being the last.
 */
export interface ByteReader {
  read(view: Uint8Array): Promise<{ done: boolean; value?: Uint8Array | undefined }>
}

/** One fill: the same memory, transferred. The body's bytes now occupy everything from the offset asked for to `end`. */
export interface Filled {
  buffer: ArrayBuffer
  end: number
  /** The body has ended; `end` may then equal the offset asked for. */
  done: boolean
}

/** A body that is pulled, a piece at a time, into memory that the consumer owns. */
export interface ByteSource {
  fill(buffer: ArrayBuffer, offset: number): Promise<Filled>
}

/**
 * A reader over a stream. A byte stream, such as a request's body, is read straight into the caller's memory; any other
 * stream is read by chunks, which are copied. The stream stays locked.
 */
export function byteReaderOf(source: ByteReader | ReadableStream<Uint8Array>): ByteReader {
  if (!('getReader' in source)) return source
  if (source.locked) throw new TypeError('The body has been read already, or is being read: the stream is locked')
  try {
    return source.getReader({ mode: 'byob' }) as ByteReader
  } catch {
    return new ChunkReader(source.getReader())
  }
}

/** Serves a stream of chunks as a ByteReader. It holds one chunk at most. */
class ChunkReader implements ByteReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  #chunk = new Uint8Array(0)

  constructor(reader: ReadableStreamDefaultReader<Uint8Array>) {
    this.#reader = reader
  }

  async read(view: Uint8Array): Promise<{ done: boolean; value: Uint8Array }> {
    if (this.#chunk.length === 0) {
      const { done, value } = await this.#reader.read()
      if (done) return { done, value: view.subarray(0, 0) }
      if (!(value instanceof Uint8Array)) throw new TypeError('The stream of a body must give Uint8Array chunks')
      this.#chunk = value as Uint8Array<ArrayBuffer>
    }
    const piece = this.#chunk.subarray(0, view.length)
    view.set(piece)
    this.#chunk = this.#chunk.subarray(piece.length)
    return { done: false, value: view.subarray(0, piece.length) }
  }
}
