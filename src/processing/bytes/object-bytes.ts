import { ByteView, Untellable } from './byte-view.ts'

/** The bytes of a stored object, by range. */
export interface ObjectBytes {
  readonly size: number
  /** The bytes from `offset`, at most `length` of them, fewer only at the object's end. */
  read(offset: number, length: number): Promise<Uint8Array>
}

/** How many ranges are read of one object, whatever it says. Each costs a call to storage. */
export const maxRangesRead = 64
/** The largest range that is read at once, in bytes. */
export const maxRangeBytes = 8 * 1024 * 1024
/** Formats are read in small pieces that lie close together, so a read brings at least this much. */
const windowBytes = 64 * 1024

/** A stretch of an object that is in memory. */
export interface Stretch {
  offset: number
  bytes: Uint8Array
}

/**
 * Reads what is asked for out of what is in memory already, or else by range, and gives up after `maxRangesRead`: a
 * file may be made so that looking at it would never end.
 */
export class BoundedBytes {
  readonly size: number
  readonly #object: ObjectBytes
  readonly #kept: readonly Stretch[]
  #window: Stretch = { offset: 0, bytes: new Uint8Array(0) }
  #rangesRead = 0

  constructor(object: ObjectBytes, kept: readonly Stretch[] = []) {
    this.size = object.size
    this.#object = object
    this.#kept = kept
  }

  /** Exactly these bytes. Throws `Untellable` when the object ends before, or too much was read. */
  async view(offset: number, length: number): Promise<ByteView> {
    const view = await this.viewUpTo(offset, length)
    if (view.length < length) throw new Untellable('The object ends too early.')
    return view
  }

  /** These bytes, or as many of them as the object has. */
  async viewUpTo(offset: number, length: number): Promise<ByteView> {
    if (!Number.isSafeInteger(offset) || offset < 0 || !(length >= 0)) throw new Untellable('This is no place in it.')
    const end = Math.min(offset + length, this.size)
    if (offset >= end) return new ByteView(new Uint8Array(0))
    for (const { offset: start, bytes } of [...this.#kept, this.#window]) {
      if (start <= offset && end <= start + bytes.length)
        return new ByteView(bytes.subarray(offset - start, end - start))
    }
    this.#window = await this.#fetch(offset, end - offset)
    return new ByteView(this.#window.bytes.subarray(0, end - offset))
  }

  async #fetch(offset: number, length: number): Promise<Stretch> {
    if (length > maxRangeBytes) throw new Untellable('It is too large to be looked at.')
    if (++this.#rangesRead > maxRangesRead) throw new Untellable('It has too many places to look at.')
    const bytes = await this.#object.read(offset, Math.min(Math.max(length, windowBytes), this.size - offset))
    if (bytes.length < length) throw new Error('Storage gave less of the object than it holds.')
    return { offset, bytes }
  }
}
