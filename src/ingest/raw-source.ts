import type { ByteReader, ByteSource, Filled } from '../multipart/byte-source.ts'

/** A body that is one file from its first byte to its last. */
export class RawSource implements ByteSource {
  readonly #reader: ByteReader

  constructor(reader: ByteReader) {
    this.#reader = reader
  }

  async fill(buffer: ArrayBuffer, offset: number): Promise<Filled> {
    const { done, value } = await this.#reader.read(new Uint8Array(buffer, offset))
    // A stream that has been cancelled ends without a view; its memory is lost to the caller.
    if (!value) return { buffer: new ArrayBuffer(0), end: offset, done: true }
    return {
      buffer: value.buffer as ArrayBuffer,
      end: offset + value.byteLength,
      done,
    }
  }
}
