import { Refusal } from '../core/errors.ts'

const mebibyte = 1024 * 1024

/** An isolate has 128 MB for all its concurrent requests; this much of it holds bytes on their way to R2. */
export const poolBytes = 48 * mebibyte

/** Loans up to this size are small. They do not wait behind large ones, which leave them some of the pool. */
const smallLoanBytes = 256 * 1024
const keptForSmallBytes = 4 * mebibyte

/** Buffers grow by doubling as long as so many whole ones would still find room beside them. */
const wholeBuffersBeside = 4

const longestWaitMs = 10_000
const pollMs = 20
/** Who has not polled for this long is gone: the platform ends a request whose client has left at any line. */
const goneAfterMs = 2_000

/** One piece of memory on loan. Reading by BYOB transfers an ArrayBuffer, so `memory` is set anew after each fill. */
export interface PooledBuffer {
  memory: ArrayBuffer
  readonly size: number
}

/** A place in the queue. */
interface Ticket {
  polledAt: number
}

/**
 * The part buffers of one isolate: a fixed number of bytes, lent to requests and taken back. A request that finds the
 * pool empty waits its turn, at most 10 s, and is then refused as `busy`; who has memory for a large file passes it on after each part while others wait. What a request that was ended from outside
 * could not give back returns when its loan is collected as garbage.
 */
export class BufferPool {
  #freeBytes: number
  /** Memory that has been given back, kept so that large buffers are not allocated and collected for each part. */
  readonly #idle: ArrayBuffer[] = []
  readonly #waiting: Ticket[] = []
  readonly #lost = new FinalizationRegistry<number>((size) => {
    this.#freeBytes += size
  })

  constructor(bytes: number = poolBytes) {
    this.#freeBytes = bytes
  }

  get freeBytes(): number {
    return this.#freeBytes
  }

  /** Whether somebody waits for a large loan. */
  get isContended(): boolean {
    return this.#waiting.length > 0
  }

  /** Waits for its turn at most `mostMs`, then throws `busy`. */
  async lend(size: number, mostMs: number = longestWaitMs): Promise<PooledBuffer> {
    await this.#reserve(size, mostMs)
    return this.#loan(size)
  }

  /** A buffer, if there is one right now and nobody waits for it. */
  lendNow(size: number): PooledBuffer | null {
    if (this.#waiting.length > 0 || !this.#hasRoomFor(size)) return null
    this.#freeBytes -= size
    return this.#loan(size)
  }

  /**
   * Exchanges a buffer for a larger one with the same content. When that is refused, the old one is still on loan; else
   * it is spent. There is twice the memory while there is plenty, so that who has sent little holds little; else all of
   * `mostBytes` at once: who took it in pieces would hold some while he waits for the next, and all could wait for each
   * other.
   */
  async grow(buffer: PooledBuffer, mostBytes: number): Promise<PooledBuffer> {
    const doubled = Math.min(2 * buffer.size, mostBytes)
    const isPlenty = !this.isContended && this.#hasRoomFor(doubled + wholeBuffersBeside * mostBytes)
    const size = isPlenty ? doubled : mostBytes
    await this.#reserve(size - buffer.size)
    const grown = this.#loan(size)
    new Uint8Array(grown.memory).set(new Uint8Array(buffer.memory))
    this.#lost.unregister(buffer)
    buffer.memory = new ArrayBuffer(0)
    return grown
  }

  /**
   * Lets those go first who wait for memory: gives up what is on loan, its content with it, and waits for its turn like
   * them. However long that takes: an upload that is under way is not refused for one that comes later. False, and the
   * loan has ended, when `isGivenUp` says meanwhile that nobody wants it any more.
   */
  async takeTurn(buffer: PooledBuffer, isGivenUp?: () => boolean): Promise<boolean> {
    this.takeBack(buffer)
    if (!(await this.#reserve(buffer.size, Number.POSITIVE_INFINITY, isGivenUp))) return false
    buffer.memory = this.#memoryOf(buffer.size)
    this.#lost.register(buffer, buffer.size, buffer)
    return true
  }

  /** Ends a loan. Once it has ended, nothing happens. */
  takeBack(buffer: PooledBuffer): void {
    if (!this.#lost.unregister(buffer)) return
    this.#freeBytes += buffer.size
    // Memory that a failed read has transferred away is gone: its ArrayBuffer is detached and has no bytes.
    if (buffer.memory.byteLength === buffer.size && buffer.size >= mebibyte) this.#idle.push(buffer.memory)
    buffer.memory = new ArrayBuffer(0)
  }

  #loan(size: number): PooledBuffer {
    const loan = { memory: this.#memoryOf(size), size }
    this.#lost.register(loan, size, loan)
    return loan
  }

  #memoryOf(size: number): ArrayBuffer {
    const index = this.#idle.findIndex((memory) => memory.byteLength === size)
    if (index >= 0) return this.#idle.splice(index, 1)[0] as ArrayBuffer
    // Idle memory and loans together stay within the pool.
    while (this.#idle.reduce((sum, memory) => sum + memory.byteLength, 0) > this.#freeBytes) this.#idle.pop()
    return new ArrayBuffer(size)
  }

  #hasRoomFor(size: number): boolean {
    return this.#freeBytes - (size > smallLoanBytes ? keptForSmallBytes : 0) >= size
  }

  /** First come, first served; false when it was given up. Waiting is polled: on Workers a promise that belongs to one request can't be resolved from another. */
  async #reserve(size: number, mostMs = longestWaitMs, isGivenUp = () => false): Promise<boolean> {
    if (this.#hasRoomFor(size) && (size <= smallLoanBytes || this.#waiting.length === 0)) {
      this.#freeBytes -= size
      return true
    }
    const startedAt = Date.now()
    const ticket: Ticket = { polledAt: startedAt }
    this.#waiting.push(ticket)
    try {
      while (!this.#isNext(ticket) || !this.#hasRoomFor(size)) {
        if (isGivenUp()) return false
        if (Date.now() - startedAt >= mostMs) throw busy()
        await new Promise((resolve) => setTimeout(resolve, pollMs))
        ticket.polledAt = Date.now()
        // Taken for gone where everything here has stood still for a while: it is first again, as it was.
        if (!this.#waiting.includes(ticket)) this.#waiting.unshift(ticket)
      }
      this.#freeBytes -= size
      return true
    } finally {
      const index = this.#waiting.indexOf(ticket)
      if (index >= 0) this.#waiting.splice(index, 1)
    }
  }

  /** Whether it is this one's turn, after those have been dropped who will never come. */
  #isNext(ticket: Ticket): boolean {
    const now = Date.now()
    while (this.#waiting[0] && this.#waiting[0] !== ticket && now - this.#waiting[0].polledAt > goneAfterMs) {
      this.#waiting.shift()
    }
    return this.#waiting[0] === ticket
  }
}

function busy(): Refusal {
  return new Refusal(
    'busy',
    'Too many uploads are running here at this moment. Send the request again in a few seconds.',
    { retryAfterSeconds: 5 },
  )
}
