import { Buffer } from 'node:buffer'

/**
 * Thrown by what reads a format as soon as the bytes do not say what is looked for: cut, damaged, hostile, or past a
 * limit. Caught in one place, `tellOrNothing`, where it becomes facts that are absent.
 */
export class Untellable extends Error {
  constructor(why: string) {
    super(why)
    this.name = 'Untellable'
  }
}

/** What `look` finds, or undefined when the bytes do not tell. Trouble in reading them is thrown on. */
export async function tellOrNothing<Facts>(look: () => Promise<Facts> | Facts): Promise<Facts | undefined> {
  try {
    return await look()
  } catch (error) {
    if (error instanceof Untellable) return undefined
    throw error
  }
}

/** Numbers and text in some bytes, each read checked: past the end there is nothing to tell. */
export class ByteView {
  readonly bytes: Uint8Array
  readonly #view: DataView

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get length(): number {
    return this.bytes.length
  }

  u8(at: number): number {
    return this.#view.getUint8(this.#held(at, 1))
  }

  u16(at: number, littleEndian = false): number {
    return this.#view.getUint16(this.#held(at, 2), littleEndian)
  }

  u24(at: number, littleEndian = false): number {
    return littleEndian ? this.u16(at, true) + this.u8(at + 2) * 0x10000 : this.u16(at) * 0x100 + this.u8(at + 2)
  }

  u32(at: number, littleEndian = false): number {
    return this.#view.getUint32(this.#held(at, 4), littleEndian)
  }

  i32(at: number, littleEndian = false): number {
    return this.#view.getInt32(this.#held(at, 4), littleEndian)
  }

  /** One past 2^53 is more than any file can mean. */
  u64(at: number, littleEndian = false): number {
    const value = Number(this.#view.getBigUint64(this.#held(at, 8), littleEndian))
    if (!Number.isSafeInteger(value)) throw new Untellable('A number is too large.')
    return value
  }

  f32(at: number): number {
    return this.#view.getFloat32(this.#held(at, 4))
  }

  f64(at: number): number {
    return this.#view.getFloat64(this.#held(at, 8))
  }

  /** Each byte as the character of its number. */
  latin1(at: number, length: number): string {
    this.#held(at, length)
    return bufferOf(this.bytes).toString('latin1', at, at + length)
  }

  part(at: number, length: number): ByteView {
    this.#held(at, length)
    return new ByteView(this.bytes.subarray(at, at + length))
  }

  #held(at: number, length: number): number {
    if (!(at >= 0 && length >= 0 && at + length <= this.bytes.length)) throw new Untellable('The bytes end too early.')
    return at
  }
}

/** The same bytes with Node's searches, which are native. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
