import { Buffer, isUtf8 } from 'node:buffer'

/**
 * Whether bytes are text: valid UTF-8 without NUL, checked natively as they pass and however they are cut. At most the
 * three bytes of a character that is cut are kept between two pieces.
 */
export class TextCheck {
  #valid = true
  #cut: Uint8Array = new Uint8Array(0)

  /** Whether it was text so far. */
  get isText(): boolean {
    return this.#valid
  }

  update(piece: Uint8Array): void {
    if (!this.#valid || piece.length === 0) return
    let rest = piece
    if (this.#cut.length > 0) {
      const missing = characterBytes(this.#cut[0] as number) - this.#cut.length
      const character = Buffer.concat([this.#cut, piece.subarray(0, missing)])
      if (piece.length < missing) {
        this.#cut = character
        return
      }
      this.#valid = isUtf8(character)
      rest = piece.subarray(missing)
    }
    const cutBytes = cutAtEnd(rest)
    const whole = rest.subarray(0, rest.length - cutBytes)
    this.#cut = rest.slice(rest.length - cutBytes)
    this.#valid &&= isUtf8(whole) && !Buffer.from(whole.buffer, whole.byteOffset, whole.byteLength).includes(0)
  }

  /** The verdict at the end: a character that was begun must have been finished. */
  finish(): boolean {
    return this.#valid && this.#cut.length === 0
  }
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
