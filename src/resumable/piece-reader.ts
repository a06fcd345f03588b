import { objectKey } from '../core/object-key.ts'
import type { ByteReader } from '../multipart/byte-source.ts'
import type { ObjectStorage } from '../storage/object-storage.ts'
import type { Piece } from './ledger.ts'
import { sessionEnded } from './rules.ts'

/** The bytes of pieces, one after the other, as if they were one body already: those from one offset on up to another. */
export class PieceReader implements ByteReader {
  readonly #storage: ObjectStorage
  readonly #domainId: string
  readonly #stretches: { id: string; offset: number; length: number }[] = []
  #open: { reader: ReadableStreamBYOBReader; left: number } | null = null

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
      const { done, value } = await this.#open.reader.read(memory)
      const bytes = value ?? new Uint8Array(0)
      this.#open.left -= bytes.length
      if (bytes.length > 0) return { done: false, value: bytes }
      if (done && this.#open.left > 0) throw new Error('A piece of a file broke off while it was read.')
      if (done) this.#open = null
      memory = new Uint8Array(bytes.buffer)
    }
  }

  /** Lets go of what is still open. */
  async cancel(): Promise<void> {
    await this.#open?.reader.cancel().catch(() => {})
  }

  async #next() {
    const stretch = this.#stretches.shift()
    if (!stretch) return null
    const { id, offset, length } = stretch
    const object = await this.#storage.read(objectKey(id, this.#domainId), { offset, length })
    if (!object) throw sessionEnded()
    return { reader: object.body.getReader({ mode: 'byob' }), left: length }
  }
}
