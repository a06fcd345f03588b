import { Buffer, isUtf8 } from 'node:buffer'
import type { TextKind } from '../core/media-type.ts'

/**
 * What kind of text bytes are, checked as they pass and however they are cut: UTF-8 without NUL (natively, at most the
 * three bytes of a cut character are kept), or another encoding, which is UTF-16 with a byte order mark, or bytes
 * without control characters, as the older code pages have it.
 */
export class TextCheck {
  #kind: TextKind = 'utf-8'
  #isUtf16 = false
  #isFirst = true
  #cut: Uint8Array = new Uint8Array(0)

  /** What it was so far. */
  get kind(): TextKind {
    return this.#kind
  }

  update(piece: Uint8Array): void {
    if (piece.length === 0 || this.#kind === null || this.#isUtf16) return
    if (this.#isFirst && hasUtf16Mark(piece)) {
      this.#isUtf16 = true
      this.#kind = 'other'
      return
    }
    this.#isFirst = false
    if (this.#kind === 'utf-8' && !this.#continuesUtf8(piece)) this.#kind = 'other'
    // In UTF-8 a control character is only odd; elsewhere it is the sign of something that is no text.
    if (this.#kind === 'other' && hasControls(piece)) this.#kind = null
    if (this.#kind === 'utf-8' && bufferOf(piece).includes(0)) this.#kind = null
  }

  /** The verdict at the end: a character that was begun must have been finished. */
  finish(): TextKind {
    return this.#kind === 'utf-8' && this.#cut.length > 0 ? 'other' : this.#kind
  }

  #continuesUtf8(piece: Uint8Array): boolean {
    let rest = piece
    if (this.#cut.length > 0) {
      const missing = characterBytes(this.#cut[0] as number) - this.#cut.length
      const character = Buffer.concat([this.#cut, piece.subarray(0, missing)])
      if (piece.length < missing) {
        this.#cut = character
        return true
      }
      if (!isUtf8(character)) return false
      rest = piece.subarray(missing)
    }
    const cutBytes = cutAtEnd(rest)
    this.#cut = rest.slice(rest.length - cutBytes)
    return isUtf8(rest.subarray(0, rest.length - cutBytes))
  }
}

/** The byte order marks of UTF-16, either way round (RFC 2781 §3.2). */
function hasUtf16Mark(bytes: Uint8Array): boolean {
  return (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)
}

/** Control characters other than tab, line feed, form feed, carriage return and escape. */
function hasControls(bytes: Uint8Array): boolean {
  return bytes.some((byte) => byte < 0x20 && byte !== 9 && byte !== 10 && byte !== 12 && byte !== 13 && byte !== 27)
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
