import type { BufferPool, PooledBuffer } from './buffer-pool.ts'

/** One buffer is filled while two are written: R2 answers each part late, and takes several at once. */
const mostBorrowed = 2

/** Takes the parts of one object in their order. The bytes must stay as they are until the promise settles. */
export interface PartTarget {
  write(bytes: Uint8Array): Promise<void>
}

interface PartInFlight {
  buffer: PooledBuffer
  isWritten: boolean
  written: Promise<void>
}

/**
 * Writes the parts of one object, some at once, and says which memory the next one may be read into. What it borrows
 * beside its first buffer it keeps only while nobody waits for memory; then it goes on with that one alone, and passes
 * even that on after each part.
 */
export class PartWriter {
  readonly #upload: PartTarget
  readonly #pool: BufferPool
  readonly #first: PooledBuffer
  readonly #borrowed: PooledBuffer[] = []
  /** In the order in which they were begun. */
  readonly #inFlight: PartInFlight[] = []

  /** Parts are as large as `first`, which stays on loan to who called. */
  constructor(upload: PartTarget, pool: BufferPool, first: PooledBuffer) {
    this.#upload = upload
    this.#pool = pool
    this.#first = first
  }

  /** Begins to write the first `bytes` of a buffer, which is free again when `nextBuffer` gives it out. */
  write(buffer: PooledBuffer, bytes: number): void {
    const part: PartInFlight = {
      buffer,
      isWritten: false,
      written: this.#upload.write(new Uint8Array(buffer.memory, 0, bytes)).then(() => {
        part.isWritten = true
      }),
    }
    // A part that fails while the next one is read is met when its turn comes, not as an unhandled rejection.
    part.written.catch(() => {})
    this.#inFlight.push(part)
  }

  /**
   * Memory for the next part. Throws when one that was begun before has failed. Null when `isGivenUp` said, while others
   * had their turn, that there is no next part: all that was begun is written then, and nothing is on loan.
   */
  nextBuffer(): Promise<PooledBuffer>
  nextBuffer(isGivenUp: () => boolean): Promise<PooledBuffer | null>
  async nextBuffer(isGivenUp?: () => boolean): Promise<PooledBuffer | null> {
    if (this.#pool.isContended) {
      await this.finish()
      this.#giveBack()
      return (await this.#pool.takeTurn(this.#first, isGivenUp)) ? this.#first : null
    }
    const mayBorrow = !this.#inFlight[0]?.isWritten && this.#borrowed.length < mostBorrowed
    const another = mayBorrow ? this.#pool.lendNow(this.#first.size) : null
    if (!another) return this.#oldestWritten()
    this.#borrowed.push(another)
    return another
  }

  /** Waits until all that was begun is written. Throws when one of it has failed. */
  async finish(): Promise<void> {
    while (this.#inFlight.length > 0) await this.#oldestWritten()
  }

  /** Waits until nothing reads its buffers any more, and gives back what it has borrowed. Never throws. */
  async release(): Promise<void> {
    await Promise.allSettled(this.#inFlight.splice(0).map((part) => part.written))
    this.#giveBack()
  }

  async #oldestWritten(): Promise<PooledBuffer> {
    const [oldest] = this.#inFlight as [PartInFlight]
    await oldest.written
    this.#inFlight.shift()
    return oldest.buffer
  }

  #giveBack(): void {
    for (const buffer of this.#borrowed.splice(0)) this.#pool.takeBack(buffer)
  }
}
