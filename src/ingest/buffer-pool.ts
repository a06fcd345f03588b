import { Refusal } from '../core/errors.ts'

const mebibyte = 1024 * 1024

/** An isolate has 128 MB for all its concurrent requests; this much of it holds bytes on their way to R2. */
export const poolBytes = 48 * mebibyte

const longestWaitMs = 10_000
const pollMs = 20

/** One piece of memory on loan. Reading by BYOB transfers an ArrayBuffer, so `memory` is set anew after each fill. */
export interface PooledBuffer {
  memory: ArrayBuffer
  readonly size: number
}

/**
 * The part buffers of one isolate: a fixed number of bytes, lent to requests and taken back. A request that finds the
 * pool empty waits its turn, at most 10 s, and is then refused as `busy`.
 */
export class BufferPool {
  #freeBytes: number
  /** Memory that has been given back, kept so that large buffers are not allocated and collected for each part. */
  readonly #idle: ArrayBuffer[] = []
  readonly #waiting: object[] = []

  constructor(bytes: number = poolBytes) {
    this.#freeBytes = bytes
  }

  get freeBytes(): number {
    return this.#freeBytes
  }

  async lend(size: number): Promise<PooledBuffer> {
    await this.#reserve(size, 'behind others')
    return { memory: this.#memoryOf(size), size }
  }

  /** A buffer, if there is one right now and nobody waits for it. */
  lendNow(size: number): PooledBuffer | null {
    if (this.#waiting.length > 0 || this.#freeBytes < size) return null
    this.#freeBytes -= size
    return { memory: this.#memoryOf(size), size }
  }

  /** Exchanges a buffer for a larger one with the same content. When that is refused, the old one is still on loan; else it is spent. */
  async grow(buffer: PooledBuffer, size: number): Promise<PooledBuffer> {
    // Who holds memory already goes first: it gives back the sooner.
    await this.#reserve(size - buffer.size, 'before others')
    const memory = this.#memoryOf(size)
    new Uint8Array(memory).set(new Uint8Array(buffer.memory))
    buffer.memory = new ArrayBuffer(0)
    return { memory, size }
  }

  takeBack(buffer: PooledBuffer): void {
    this.#freeBytes += buffer.size
    // Memory that a failed read has transferred away is gone: its ArrayBuffer is detached and has no bytes.
    if (buffer.memory.byteLength === buffer.size && buffer.size >= mebibyte) this.#idle.push(buffer.memory)
    buffer.memory = new ArrayBuffer(0)
  }

  #memoryOf(size: number): ArrayBuffer {
    const index = this.#idle.findIndex((memory) => memory.byteLength === size)
    if (index >= 0) return this.#idle.splice(index, 1)[0] as ArrayBuffer
    // Idle memory of another size must not add to what is on loan.
    if (size >= mebibyte) this.#idle.length = 0
    return new ArrayBuffer(size)
  }

  /**
   * Waiting is polled: on Workers a promise that belongs to one request can't be resolved from another.
   */
  async #reserve(size: number, place: 'before others' | 'behind others'): Promise<void> {
    const ticket = {}
    if (place === 'before others') this.#waiting.unshift(ticket)
    else this.#waiting.push(ticket)
    try {
      for (let waitedMs = 0; this.#waiting[0] !== ticket || this.#freeBytes < size; waitedMs += pollMs) {
        if (waitedMs >= longestWaitMs) {
          throw new Refusal(
            'busy',
            'Too many uploads are running here at this moment. Send the request again in a few seconds.',
            {
              retryAfterSeconds: 5,
            },
          )
        }
        await new Promise((resolve) => setTimeout(resolve, pollMs))
      }
      this.#freeBytes -= size
    } finally {
      this.#waiting.splice(this.#waiting.indexOf(ticket), 1)
    }
  }
}
