import type { Hash } from 'node:crypto'
import { newHash } from '../ingest/new-hash.ts'
import { ResumableSha256, type SavedSha256 } from '../ingest/resumable-sha256.ts'

/** What is known of a file's SHA-256 up to an offset, as plain JSON: a state, the digest of the whole, or nothing. */
export type SavedDigest = SavedSha256 | { digest: string } | null

/** Up to this size, in bytes, the stored object is read once where its digest was lost: a few seconds. */
const mostReadAgain = 512 * 1024 * 1024

/**
 * The SHA-256 of a file over any number of requests. A file that is to come in one append is hashed natively, which is
 * six times as fast; if that append is interrupted after all, nothing is known of the digest, and the finished object is
 * read once. Every other file is hashed so that the state can be saved.
 */
export class RunningDigest {
  readonly #hash: ResumableSha256 | Hash | null
  readonly #wholeBytes: number | null
  #bytes = 0
  /** Hexadecimal, once the hash has ended. */
  #digest: string | null

  /** `wholeBytes`: set when the append that begins is to bring the whole file. */
  constructor(saved: SavedDigest | undefined, wholeBytes: number | null) {
    const isNative = wholeBytes !== null && wholeBytes <= mostReadAgain
    this.#wholeBytes = isNative ? wholeBytes : null
    this.#digest = saved && 'digest' in saved ? saved.digest : null
    if (isNative) this.#hash = newHash('sha-256')
    else if (saved === null || this.#digest !== null) this.#hash = null
    else this.#hash = new ResumableSha256(saved as SavedSha256 | undefined)
  }

  pass(bytes: Uint8Array): void {
    // A hash that has ended with the last part takes nothing more, not even no bytes.
    if (bytes.length === 0) return
    this.#bytes += bytes.length
    this.#hash?.update(bytes)
  }

  save(): SavedDigest {
    if (this.#hash instanceof ResumableSha256) return this.#hash.save()
    const digest = this.#bytes === this.#wholeBytes ? this.finish() : this.#digest
    return digest === null ? null : { digest }
  }

  /** The digest of all that has passed; null where it was lost. Nothing may pass afterwards. */
  finish(): string | null {
    if (this.#hash instanceof ResumableSha256) this.#digest ??= this.#hash.digest().toHex()
    else if (this.#bytes === this.#wholeBytes) this.#digest ??= (this.#hash as Hash).digest('hex')
    return this.#digest
  }
}
