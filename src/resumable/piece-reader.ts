import { objectKey } from '../core/object-key.ts'
import type { ByteReader } from '../multipart/byte-source.ts'
import type { ObjectReader } from '../storage/object-reader.ts'
import type { ObjectStorage } from '../storage/object-storage.ts'
import type { Piece } from './ledger.ts'
import { sessionEnded } from './rules.ts'

/** The bytes of pieces, one after the other, as if they were one body already: those from one offset on up to another. */
export class PieceReader implements ByteReader {
  readonly #storage: ObjectStorage
  readonly #domainId: string
  readonly #stretches: { id: string; offset: number; length: number }[] = []
  #open: ObjectReader | null = null

  constructor(
    { storage, domainId }: { storage: ObjectStorage; domainId: string },
    pieces: readonly Piece[],
    { from, to }: { from: number; to: number },
  ) {
    this.#storage = storage
    this.#domainId = domainId
    let start = 0
    for (const { id, bytes } of pieces) {
      const offset = Math.max(0, from - start)
      const length = Math.min(bytes, to - start) - offset
      if (length > 0) this.#stretches.push({ id, offset, length })
      start += bytes
    }
  }

  async read(view: Uint8Array): Promise<{ done: boolean; value: Uint8Array }> {
    for (let memory = view; ; ) {
      this.#open ??= await this.#next()
      if (!this.#open) return { done: true, value: memory.subarray(0, 0) }
      const { done, value } = await this.#open.read(memory)
      const bytes = value ?? new Uint8Array(0)
      if (bytes.length > 0) return { done: false, value: bytes }
      if (done) this.#open = null
      memory = new Uint8Array(bytes.buffer)
    }
  }

  /** Lets go of what is still open. */
  async cancel(): Promise<void> {
    await this.#open?.cancel()
  }

  async #next(): Promise<ObjectReader | null> {
    const stretch = this.#stretches.shift()
    if (!stretch) return null
    const { id, offset, length } = stretch
    const reader = await this.#storage.reader(objectKey(id, this.#domainId), { offset, length })
    if (!reader) throw sessionEnded()
    return reader
  }
}
