import { Buffer } from 'node:buffer'
import type { Filled } from './byte-source.ts'
import { MultipartError } from './errors.ts'
import { bareLineFeed, bareLineFeedIn, delimiterMalformed, type Stage, truncated } from './malformed-body.ts'
import type { MeteredReader } from './metered-reader.ts'

/** The reader's own memory at first: a small body fits in it whole, and a thousand such requests take 8 MiB. */
const carryBytes = 8 * 1024
/** It grows to this where bytes are only skipped. */
const skipBytes = 64 * 1024
/**
 * The most that one read puts into a consumer's memory. What comes behind a delimiter must be carried over, so this
 * bounds the carry; workerd's reads are rarely longer, and a longer view measured no cheaper.
 */
const maxReadBytes = 1024 * 1024
/** A consumer's memory with less room than this is filled by way of the carry, so that tiny buffers cost no tiny reads. */
const directBytes = 4 * 1024

const [LF, CR, tab, space, hyphen] = [0x0a, 0x0d, 0x09, 0x20, 0x2d] as const
const lineEnd = '\r\n'

/**
 * A body as bytes between delimiters (RFC 2046 §5.1.1). It reads ahead into its own carry, or straight into the
 * consumer's memory; either way every byte is searched once, natively, and copied at most twice.
 *
 * A delimiter is CRLF, two hyphens and the boundary. No boundary contains a CR, so at most one place at the end of what
 * has been read can be the start of a delimiter: the last CR. That much is held back until the next read decides.
 */
export class DelimitedInput {
  readonly #source: MeteredReader
  readonly #delimiter: Buffer

  /** Bytes read ahead are `carry[start, end)`. It opens with a CRLF, so that the first boundary needs none. */
  #carry = ownMemory(carryBytes)
  #start = 0
  #end = this.#carry.write(lineEnd)
  /** Of these, `[start, bodyEnd)` is body for certain; behind it a delimiter, if `found`, or what may become one. */
  #bodyEnd = 0
  #found = false
  #searched = false
  /** The body has no byte yet: a delimiter may share the CRLF of the blank line before it (a body-part without body). */
  #bodyStarts = false

  /** The number of the part being read, from 1; 0 before the first. */
  part = 0
  #stage: Stage = 'before the first boundary'

  constructor(source: MeteredReader, boundary: string) {
    this.#source = source
    this.#delimiter = Buffer.from(`${lineEnd}--${boundary}`, 'latin1')
  }

  /** Bytes of the current body into `buffer` from `offset`; `done` when the delimiter behind it has been passed. */
  async fill(buffer: ArrayBuffer, offset: number): Promise<Filled> {
    let memory = buffer
    for (;;) {
      this.#search()
      const room = memory.byteLength - offset
      const known = this.#bodyEnd - this.#start
      if (known > 0 || this.#found) {
        const count = Math.min(known, room)
        if (count > 0) new Uint8Array(memory, offset).set(this.#carry.subarray(this.#start, this.#start + count))
        this.#start += count
        const done = this.#found && count === known
        if (done) this.#passDelimiter()
        return { buffer: memory, end: offset + count, done }
      }
      const held = this.#end - this.#start
      if (this.#bodyStarts || room < held + directBytes) {
        await this.#refill(carryBytes)
        continue
      }
      new Uint8Array(memory, offset).set(this.#carry.subarray(this.#start, this.#end))
      const at = offset + held
      const value = await this.#source.read(new Uint8Array(memory, at, Math.min(room - held, maxReadBytes)))
      if (this.#source.ended) throw this.#truncated()
      memory = value.buffer
      const bytes = new Uint8Array(memory, offset, held + value.length)
      const delimiterAt = indexOf.call(bytes, this.#delimiter)
      const count = delimiterAt >= 0 ? delimiterAt : bytes.length - this.#partialDelimiter(bytes)
      this.#carryOver(bytes.subarray(count), delimiterAt >= 0)
      if (this.#found) this.#passDelimiter()
      if (count > 0 || delimiterAt >= 0) return { buffer: memory, end: offset + count, done: delimiterAt >= 0 }
    }
  }

  /** Passes what is left of the current body, or of the preamble, and the delimiter behind it. */
  async skip(): Promise<void> {
    for (let size = carryBytes; ; size = Math.min(size * 2, skipBytes)) {
      this.#search()
      this.#start = this.#bodyEnd
      if (this.#found) return this.#passDelimiter()
      await this.#refill(size)
    }
  }

  /**
   * Reads on behind a delimiter: false when it was the last (`--` follows it), and otherwise the header block of the
   * next part. The block is valid until the next call.
   */
  async readHeaderBlock(maxBytes: number): Promise<{ bytes: Buffer; offset: number } | false> {
    this.part++
    const offset = this.#position
    const tooLarge = (value: number) => {
      const message = `The header of part ${this.part} is longer than ${maxBytes} bytes`
      return new MultipartError('headers-too-large', message, { limit: maxBytes, value, offset })
    }
    let padding = 0
    for (; ; await this.#refill(carryBytes)) {
      for (; this.#start < this.#end && isBlank(this.#carry[this.#start]); this.#start++) padding++
      if (padding > maxBytes) throw tooLarge(padding)
      const first = this.#start < this.#end ? this.#carry[this.#start] : undefined
      const second = this.#start + 1 < this.#end ? this.#carry[this.#start + 1] : undefined
      if (first === undefined) continue
      if (first === LF) throw bareLineFeed('The boundary', this.#position)
      const malformed = first === hyphen ? padding > 0 || (second ?? hyphen) !== hyphen : (second ?? LF) !== LF
      if (malformed || (first !== hyphen && first !== CR)) throw delimiterMalformed(this.#position)
      if (second === undefined) continue
      if (first === hyphen) return false
      break
    }

    this.#stage = 'in the header of'
    // From the boundary's own CRLF on, so that a part without headers ends like any other.
    let searched = 0
    for (; ; await this.#refill(carryBytes)) {
      const ahead = this.#carry.subarray(this.#start, this.#end)
      const blankLine = ahead.indexOf('\r\n\r\n', searched, 'latin1')
      const size = padding + (blankLine < 0 ? ahead.length : blankLine + 4)
      if (size > maxBytes) {
        throw bareLineFeedIn(ahead.subarray(0, maxBytes), this.part, offset) ?? tooLarge(size)
      }
      if (blankLine >= 0) {
        this.#start += blankLine + 4
        this.#bodyEnd = this.#start
        this.#searched = false
        this.#bodyStarts = true
        this.#stage = 'in the body of'
        return { bytes: ahead.subarray(2, Math.max(blankLine + 2, 2)), offset }
      }
      searched = Math.max(ahead.length - 3, 0)
    }
  }

  /** Reads the epilogue and discards it. */
  async drain(): Promise<void> {
    for (let size = carryBytes; ; size = Math.min(size * 2, skipBytes)) {
      this.#start = this.#end
      await this.#readCarry(size)
      if (this.#source.ended) return
    }
  }

  /** How many bytes of the body are behind us; the CRLF before it counts as none. */
  get #position(): number {
    return Math.max(this.#source.received - (this.#end - this.#start), 0)
  }

  /** Looks for a delimiter in the carry, once after each change of it. */
  #search(): void {
    if (this.#searched || this.#found) return
    this.#searched = true
    const bytes = this.#carry.subarray(this.#start, this.#end)
    if (this.#bodyStarts) {
      const dashBoundary = this.#delimiter.subarray(lineEnd.length, lineEnd.length + bytes.length)
      if (bytes.subarray(0, dashBoundary.length).equals(dashBoundary)) {
        this.#bodyEnd = this.#start
        this.#found = dashBoundary.length === this.#delimiter.length - lineEnd.length
        return
      }
      this.#bodyStarts = false
    }
    const at = bytes.indexOf(this.#delimiter)
    this.#found = at >= 0
    this.#bodyEnd = this.#start + (at >= 0 ? at : bytes.length - this.#partialDelimiter(bytes))
  }

  /** How many bytes at the end may be the start of a delimiter. */
  #partialDelimiter(bytes: Uint8Array): number {
    const first = Math.max(bytes.length - this.#delimiter.length + 1, 0)
    let at = bytes.length - 1
    while (at >= first && bytes[at] !== CR) at--
    if (at < first) return 0
    for (let i = at; i < bytes.length; i++) if (bytes[i] !== this.#delimiter[i - at]) return 0
    return bytes.length - at
  }

  #passDelimiter(): void {
    this.#start = this.#bodyEnd + this.#delimiter.length - (this.#bodyStarts ? lineEnd.length : 0)
    this.#found = false
    this.#searched = false
    this.#bodyStarts = false
    this.#stage = 'after a boundary'
  }

  /** Makes these bytes, from a consumer's memory, all that the carry holds. */
  #carryOver(bytes: Uint8Array, found: boolean): void {
    const wanted = Math.max(bytes.length, carryBytes)
    if (this.#carry.length < wanted || this.#carry.length > 8 * wanted) this.#carry = ownMemory(wanted)
    this.#start = 0
    this.#carry.set(bytes)
    this.#end = bytes.length
    this.#bodyEnd = 0
    this.#found = found
    this.#searched = true
  }

  /** Reads once into the carry, behind what it holds. */
  async #refill(size: number): Promise<void> {
    await this.#readCarry(size)
    if (this.#source.ended) throw this.#truncated()
  }

  async #readCarry(size: number): Promise<void> {
    this.#makeRoom(size)
    const value = await this.#source.read(this.#carry.subarray(this.#end))
    this.#carry = Buffer.from(value.buffer)
    this.#end += value.length
  }

  /**
   * Moves what is unread to the carry's front. A carry that is then nearly full, or far larger than it needs to be, is
   * replaced by one of `size` or twice what is unread.
   */
  #makeRoom(size: number): void {
    const unread = this.#end - this.#start
    const wanted = Math.max(size, 2 * unread)
    const { length } = this.#carry
    if (length - unread < size / 4 || length < size || length > 8 * wanted) {
      const memory = ownMemory(wanted)
      this.#carry.copy(memory, 0, this.#start, this.#end)
      this.#carry = memory
    } else if (this.#start > 0) {
      this.#carry.copyWithin(0, this.#start, this.#end)
    }
    this.#start = 0
    this.#end = unread
    this.#searched = false
  }

  /** The error for a body that ends before its closing delimiter. */
  #truncated(): MultipartError {
    const unread = this.#carry.subarray(this.#start, this.#end)
    return truncated({ stage: this.#stage, part: this.part, unread, received: this.#source.received })
  }
}

const indexOf = Buffer.prototype.indexOf as (this: Uint8Array, needle: Uint8Array) => number

/** Memory that may be transferred, unlike a piece of Buffer's pool. */
function ownMemory(bytes: number): Buffer {
  return Buffer.from(new ArrayBuffer(bytes))
}

function isBlank(byte: number | undefined): boolean {
  return byte === space || byte === tab
}
