import type { Tap } from '../bytes/single-pass.ts'
import type { ImageHeader } from './header.ts'

/**
 * Counts the frames of a GIF (GIF89a) as it passes: they have no directory, each follows the blocks of the one before.
 * Whole blocks are skipped, so it looks at one byte in a few hundred.
 */
export class GifTally implements Tap {
  #header = new Uint8Array(13)
  #headerBytes = 0
  /** Bytes that are passed over until the next one that says something. */
  #skip = 0
  #next: 'block' | 'extension' | 'image' | 'sub-block' | 'end' = 'block'
  /** Of an image's descriptor: its nine bytes, the last of which says how many colours follow. */
  #descriptorLeft = 0
  #frames = 0
  #isDamaged = false

  pass(piece: Uint8Array): void {
    let at = 0
    while (this.#headerBytes < 13 && at < piece.length) {
      this.#header[this.#headerBytes++] = piece[at++] as number
      if (this.#headerBytes === 13) this.#skip = coloursAfter(this.#header[10] as number)
    }
    while (at < piece.length && this.#next !== 'end') {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, piece.length - at)
        this.#skip -= skipped
        at += skipped
        continue
      }
      this.#take(piece[at++] as number)
    }
  }

  /** What it was; undefined when it does not begin as a GIF does. Frames are told only of one that was read to its end. */
  finish(): ImageHeader | undefined {
    if (this.#headerBytes < 13 || !/^GIF8[79]a/.test(String.fromCharCode(...this.#header.subarray(0, 6))))
      return undefined
    const view = new DataView(this.#header.buffer)
    const isWhole = this.#next === 'end' && !this.#isDamaged
    const frames = isWhole ? { frames: this.#frames } : this.#frames > 1 ? { frames: null } : {}
    return { format: 'gif', width: view.getUint16(6, true), height: view.getUint16(8, true), ...frames }
  }

  #take(byte: number): void {
    switch (this.#next) {
      case 'block':
        if (byte === 0x2c) {
          this.#next = 'image'
          this.#descriptorLeft = 9
        } else if (byte === 0x21) this.#next = 'extension'
        else {
          this.#isDamaged = byte !== 0x3b
          this.#next = 'end'
        }
        return
      case 'extension':
        this.#next = 'sub-block'
        return
      case 'image':
        if (--this.#descriptorLeft > 0) return
        this.#frames++
        this.#skip = coloursAfter(byte) + 1 // And the size of the codes.
        this.#next = 'sub-block'
        return
      case 'sub-block':
        if (byte === 0) this.#next = 'block'
        else this.#skip = byte
    }
  }
}

/** How many bytes of colours follow, by the flags of a screen or an image. */
function coloursAfter(flags: number): number {
  return (flags & 0x80) !== 0 ? 3 * 2 ** ((flags & 7) + 1) : 0
}
