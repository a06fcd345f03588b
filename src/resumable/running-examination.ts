import { activeMarkup } from '../ingest/active-markup.ts'
import { detectType, sniffBytes } from '../ingest/detect-type.ts'
import { judgeBytes } from '../ingest/examination.ts'
import { type SavedTextCheck, TextCheck } from '../ingest/text-check.ts'
import { RunningDigest, type SavedDigest } from './running-digest.ts'
import type { Opening } from './session.ts'

/** What is known of a file's bytes up to an offset, as plain JSON. */
export interface SavedExamination {
  bytes: number
  sha256: SavedDigest
  text: SavedTextCheck
  /** Null until enough bytes have come to say it. */
  head: { detected: string | null; readableAs: readonly string[] } | null
}

/** What a whole file turned out to be. */
export interface WholeFile {
  type: string
  charset: 'utf-8' | null
  /** Hexadecimal; null where only the stored object can tell. */
  sha256: string | null
}

/**
 * Looks at the bytes of one file as they are kept, over any number of requests: what it knows is saved with each offset.
 * It judges as `Examination` does. A piece of a file is not
 * judged, and its digest not taken: only the joined file is.
 */
export class RunningExamination {
  readonly #opening: Opening
  readonly #digest: RunningDigest
  readonly #text: TextCheck
  #bytes: number
  #head: SavedExamination['head']

  /** `declaredBytes`: how many bytes the append brings that it is for, as far as that is known. */
  constructor(opening: Opening, saved?: SavedExamination, declaredBytes: number | null = null) {
    this.#opening = opening
    const isWhole = !saved?.bytes && declaredBytes !== null && declaredBytes === opening.length
    this.#digest = this.#isPiece
      ? new RunningDigest(null, null)
      : new RunningDigest(saved?.sha256, isWhole ? declaredBytes : null)
    this.#text = new TextCheck(saved?.text)
    this.#bytes = saved?.bytes ?? 0
    this.#head = saved?.head ?? null
  }

  /** How many bytes have passed: those of the file up to here. */
  get bytes(): number {
    return this.#bytes
  }

  /** Whether the first bytes of the file are still to be looked at, and there are enough of them now. */
  get wantsHead(): boolean {
    return this.#head === null && this.#bytes >= sniffBytes && !this.#isPiece
  }

  save(): SavedExamination {
    return { bytes: this.#bytes, sha256: this.#digest.save(), text: this.#text.save(), head: this.#head }
  }

  /** The next bytes, in order. */
  pass(bytes: Uint8Array): void {
    this.#bytes += bytes.length
    this.#digest.pass(bytes)
    this.#text.update(bytes)
  }

  /** Judges the type by the file's first bytes: as many of them as there are, up to 64 KiB. */
  async judgeHead(start: Uint8Array): Promise<void> {
    const head = start.subarray(0, sniffBytes)
    this.#head = {
      detected: await detectType(head, this.#opening.declaredType),
      readableAs: activeMarkup(head),
    }
    this.#judge(this.#text.kind)
  }

  /** The last word, after the last byte, once the head has been judged. */
  finish(): WholeFile {
    const text = this.#text.finish()
    const type = this.#judge(text)
    return { type, charset: text === 'utf-8' ? text : null, sha256: this.#digest.finish() }
  }

  get #isPiece(): boolean {
    return this.#opening.role.kind === 'partial'
  }

  #judge(text: ReturnType<TextCheck['finish']>): string {
    const { detected, readableAs } = this.#head as NonNullable<SavedExamination['head']>
    return judgeBytes(this.#opening, { detected, readableAs, text, isEmpty: this.#bytes === 0 })
  }
}
