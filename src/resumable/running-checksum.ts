import { createHash, type Hash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { Refusal } from '../core/errors.ts'
import type { Checksum } from './session.ts'

/** Holds the bytes of one append against the checksum that its client has sent. */
export class RunningChecksum {
  readonly #expected: Checksum
  readonly #hash: Hash | null
  #crc = 0

  constructor(expected: Checksum) {
    this.#expected = expected
    this.#hash = expected.algorithm === 'crc32' ? null : createHash(expected.algorithm)
  }

  pass(bytes: Uint8Array): void {
    if (this.#hash) this.#hash.update(bytes)
    else this.#crc = crc32(bytes, this.#crc)
  }

  /** Throws `checksum-mismatch`. */
  check(): void {
    const { algorithm, digest } = this.#expected
    const found = this.#hash ? this.#hash.digest('hex') : this.#crc.toString(16).padStart(8, '0')
    if (found === digest) return
    throw new Refusal('checksum-mismatch', `The bytes are not those of their ${algorithm} checksum; none was kept.`, {
      facts: { algorithm },
    })
  }
}
