import type { Tap } from '../bytes/single-pass.ts'
import type { TextFacts } from '../inspect-facts.ts'

const lineFeed = 10
const carriageReturn = 13

/** Counts the lines of a text as it passes, by its line ends, whichever of three kinds they are. */
export class TextTally implements Tap {
  readonly #head: number[] = []
  #lineFeeds = 0
  #carriageReturns = 0
  /** Carriage returns that a line feed follows. */
  #pairs = 0
  #passed = 0
  /** The last two units: bytes, or the 16 bits of UTF-16. */
  #last = -1
  /** The first byte of a unit of UTF-16 that is cut between two pieces. */
  #half = -1

  pass(piece: Uint8Array): void {
    let at = 0
    while (this.#head.length < 2 && at < piece.length) {
      this.#head.push(piece[at++] as number)
      if (this.#head.length === 2 && utf16Of(this.#head) === null) this.#countBytes(Uint8Array.from(this.#head))
    }
    if (this.#head.length < 2) return
    const rest = piece.subarray(at)
    const encoding = utf16Of(this.#head)
    if (encoding === null) this.#countBytes(rest)
    else this.#countUnits(rest, encoding === 'utf-16le')
  }

  /** `isUtf8` is what the whole of the bytes were found to be while they came in. */
  finish(isUtf8: boolean): TextFacts {
    if (this.#head.length === 1) this.#countBytes(Uint8Array.from(this.#head))
    const ends = [
      ['crlf', this.#pairs],
      ['lf', this.#lineFeeds - this.#pairs],
      ['cr', this.#carriageReturns - this.#pairs],
    ] as const
    const used = ends.filter(([, count]) => count > 0)
    const breaks = this.#lineFeeds + this.#carriageReturns - this.#pairs
    const endsOpen = this.#passed > 0 && this.#last !== lineFeed && this.#last !== carriageReturn
    return {
      encoding: isUtf8 ? 'utf-8' : (utf16Of(this.#head) ?? 'unknown-8bit'),
      lines: breaks + (endsOpen ? 1 : 0),
      lineEnds: used.length === 0 ? 'none' : used.length > 1 ? 'mixed' : (used[0]?.[0] ?? 'none'),
    }
  }

  #countBytes(bytes: Uint8Array): void {
    let last = this.#last
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i] as number
      if (byte <= carriageReturn) this.#count(byte, last)
      last = byte
    }
    this.#last = last
    this.#passed += bytes.length
  }

  #countUnits(bytes: Uint8Array, littleEndian: boolean): void {
    for (const byte of bytes) {
      if (this.#half < 0) {
        this.#half = byte
        continue
      }
      const unit = littleEndian ? byte * 0x100 + this.#half : this.#half * 0x100 + byte
      if (unit <= carriageReturn) this.#count(unit, this.#last)
      this.#last = unit
      this.#half = -1
      this.#passed++
    }
  }

  #count(unit: number, last: number): void {
    if (unit === carriageReturn) this.#carriageReturns++
    else if (unit === lineFeed) {
      this.#lineFeeds++
      if (last === carriageReturn) this.#pairs++
    }
  }
}

/** By its byte order mark (RFC 2781 §3.2). */
function utf16Of([first, second]: readonly number[]): 'utf-16le' | 'utf-16be' | null {
  if (first === 0xff && second === 0xfe) return 'utf-16le'
  return first === 0xfe && second === 0xff ? 'utf-16be' : null
}
