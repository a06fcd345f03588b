import { Buffer, isUtf8 } from 'node:buffer'
import type { TextKind } from '../core/media-type.ts'
import { sniffBytes } from './detect-type.ts'

/** What a check knows between two pieces. */
export interface SavedTextCheck {
  kind: TextKind
  isUtf16: boolean
  passedBytes: number
  headHasControls: boolean
  cut: number[]
}

/**
 * What kind of text bytes are, checked as they pass and however they are cut: UTF-8 without NUL (natively, at most the
 * three bytes of a cut character are kept), or another encoding. That is UTF-16 with a byte order mark, or bytes without
 * control characters, as the older code pages have it, at the file's beginning and from the first byte on that is not
 * UTF-8: those between are not kept, and looking at each would cost about as much as hashing it.
 */
export class TextCheck {
  #kind: TextKind = 'utf-8'
  #isUtf16 = false
  #passedBytes = 0
  #headHasControls = false
  /** The beginning of a character that goes on in the next piece. */
  #cut: Uint8Array = new Uint8Array(0)

  /** Goes on where another one has stopped, whose `save` it is given. */
  constructor(saved?: SavedTextCheck) {
    if (!saved) return
    this.#kind = saved.kind
    this.#isUtf16 = saved.isUtf16
    this.#passedBytes = saved.passedBytes
    this.#headHasControls = saved.headHasControls
    this.#cut = Uint8Array.from(saved.cut)
  }

  /** All that it knows, as plain JSON. */
  save(): SavedTextCheck {
    return {
      kind: this.#kind,
      isUtf16: this.#isUtf16,
      passedBytes: this.#passedBytes,
      headHasControls: this.#headHasControls,
      cut: [...this.#cut],
    }
  }

  /** What it was so far. */
  get kind(): TextKind {
    return this.#kind
  }

  update(piece: Uint8Array): void {
    if (piece.length === 0 || this.#kind === null || this.#isUtf16) return
    const isBeginning = this.#passedBytes === this.#cut.length
    if (isBeginning && hasUtf16Mark(Buffer.concat([this.#cut, piece.subarray(0, 2)]))) {
      this.#isUtf16 = true
      this.#kind = 'other'
      return
    }
    // In UTF-8 a control character is only odd; elsewhere it is the sign of something that is no text.
    const headBytes = Math.max(sniffBytes - this.#passedBytes, 0)
    this.#headHasControls ||= hasControls(piece.subarray(0, headBytes))
    this.#passedBytes += piece.length
    if (this.#kind === 'other') {
      if (hasControls(piece)) this.#kind = null
      return
    }
    // First what is decided soonest: where bytes cease to be UTF-8 takes some looking for.
    if (bufferOf(piece).includes(0)) {
      this.#kind = null
      return
    }
    const brokenAt = this.#brokenAt(piece)
    if (brokenAt !== null) this.#kind = this.#otherOrNone(piece.subarray(brokenAt))
  }

  /** The verdict at the end: a character that was begun must have been finished. */
  finish(): TextKind {
    return this.#kind === 'utf-8' && this.#cut.length > 0 ? this.#otherOrNone(this.#cut) : this.#kind
  }

  /** What text is that these bytes have shown not to be UTF-8. */
  #otherOrNone(bytes: Uint8Array): TextKind {
    return this.#headHasControls || hasControls(bytes) ? null : 'other'
  }

  /** Where in this piece the bytes have ceased to be UTF-8; null while they have not. */
  #brokenAt(piece: Uint8Array): number | null {
    let rest = piece
    if (this.#cut.length > 0) {
      const missing = characterBytes(this.#cut[0] as number) - this.#cut.length
      const character = Buffer.concat([this.#cut, piece.subarray(0, missing)])
      if (piece.length < missing) {
        this.#cut = character
        return cutAtEnd(character) === character.length ? null : 0
      }
      if (!isUtf8(character)) return 0
      rest = piece.subarray(missing)
    }
    const cutBytes = cutAtEnd(rest)
    this.#cut = rest.slice(rest.length - cutBytes)
    if (isUtf8(rest.subarray(0, rest.length - cutBytes))) return null
    return piece.length - rest.length + utf8Bytes(rest)
  }
}

/** The byte order marks of UTF-16, either way round (RFC 2781 §3.2). */
function hasUtf16Mark(bytes: Uint8Array): boolean {
  return (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)
}

/** A bit for each of the 32: all but tab, line feed, form feed, carriage return and escape. */
const controls = ~((1 << 9) | (1 << 10) | (1 << 12) | (1 << 13) | (1 << 27))

function hasControls(bytes: Uint8Array): boolean {
  // Ten times as fast as `some`.
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number
    if (byte < 0x20 && ((controls >>> byte) & 1) === 1) return true
  }
  return false
}

/** How many of these bytes, which are not UTF-8 as a whole, are: up to the character that is broken, or into it. */
function utf8Bytes(bytes: Uint8Array): number {
  let [good, bad] = [0, bytes.length]
  while (bad - good > 1) {
    const middle = (good + bad) >>> 1
    const head = bytes.subarray(0, middle)
    if (isUtf8(head.subarray(0, middle - cutAtEnd(head)))) good = middle
    else bad = middle
  }
  return good
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** The length of the character that a byte begins (RFC 3629 §3). */
function characterBytes(first: number): number {
  if (first >= 0xf0) return 4
  if (first >= 0xe0) return 3
  return first >= 0xc0 ? 2 : 1
}

/** How many bytes at the end belong to a character that goes on in the next piece. */
function cutAtEnd(bytes: Uint8Array): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back] as number
    if (byte < 0x80) return 0
    if (byte >= 0xc0) return characterBytes(byte) > back ? back : 0
  }
  return 0
}
