import type { Domain } from '../../core/domain.ts'
import { cleanFilename } from '../../core/filename.ts'
import type { BufferPool } from '../../ingest/buffer-pool.ts'
import { examineFile } from '../../ingest/examine-file.ts'
import type { ByteSource } from '../../multipart/byte-source.ts'
import { type FingerprintPart, fingerprintOf, fingerprintPart, type KeyedRequest, keyMismatch } from './idempotency.ts'
import {
  type Announcement,
  type CommonDetails,
  concernsOneFile,
  type FileOutcome,
  type Reception,
} from './reception.ts'

/** A repeat of a request that has been answered: its files are read and hashed, not stored, and the answer is the first one. */
export class Replay implements Reception {
  /** The first request has been accepted, and this one is read to its end to know whether it is the same. */
  readonly isRefused = false
  readonly #pool: BufferPool
  readonly #domain: Domain
  readonly #first: Extract<KeyedRequest, { kind: 'repeat' }>
  readonly #request: { method: string; path: string }
  readonly #sent: FingerprintPart[] = []

  constructor(
    pool: BufferPool,
    domain: Domain,
    first: Extract<KeyedRequest, { kind: 'repeat' }>,
    request: { method: string; path: string },
  ) {
    this.#pool = pool
    this.#domain = domain
    this.#first = first
    this.#request = request
  }

  get count(): number {
    return this.#sent.length
  }

  async take(source: ByteSource, announced: Announcement): Promise<void> {
    const filename = cleanFilename(announced.filename)
    try {
      const { size, sha256 } = await examineFile(
        source,
        { ...announced, filename, policy: this.#domain.policy },
        this.#pool,
      )
      this.#sent.push(fingerprintPart(announced, filename, { size, sha256: sha256.toHex() }))
    } catch (error) {
      if (!concernsOneFile(error)) throw error
      this.#sent.push(fingerprintPart(announced, filename, { refused: error.code }))
    }
  }

  async commit(details: CommonDetails): Promise<FileOutcome[]> {
    const { method, path } = this.#request
    if (fingerprintOf({ method, path, ...details, parts: this.#sent }) !== this.#first.fingerprint) throw keyMismatch()
    return this.#first.outcomes
  }

  async discard(): Promise<void> {
    // Nothing was stored, and the key keeps its answer.
  }
}
