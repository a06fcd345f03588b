import { Refusal } from '../core/errors.ts'

const mebibyte = 1024 * 1024

/** An isolate has 128 MB for all its concurrent requests; this much of it holds bytes on their way to R2. */
export const poolBytes = 48 * mebibyte

/** Loans up to this size are small. They wait among themselves only, and all others leave them some of the pool. */
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

/** A place in a line. */
interface Ticket {
  polledAt: number
}

/** Those who wait for memory of one kind: first come, first served. */
interface Line {
  readonly tickets: Ticket[]
  /** How much of the pool they leave to others. */
  readonly leavesBytes: number
}

/**
 * The part buffers of one isolate: a fixed number of bytes, lent to requests and taken back. A request that finds the
 * pool empty waits its turn, at most 10 s, and is then refused as `busy`; who has memory for a large file passes it on
 * after each part while others wait. What a request that was ended from outside could not give back returns when its loan
 * is collected as garbage.
 */
export class BufferPool {
  #freeBytes: number
  /** Memory that has been given back, kept so that large buffers are not allocated and collected for each part. */
  readonly #idle: ArrayBuffer[] = []
  readonly #small: Line = { tickets: [], leavesBytes: 0 }
  /** For buffers that are small, but may grow: so many as wait to grow must not take what is kept for small files. */
  readonly #growing: Line = { tickets: [], leavesBytes: keptForSmallBytes }
  readonly #large: Line = { tickets: [], leavesBytes: keptForSmallBytes }
  readonly #lost = new FinalizationRegistry<number>((size) => {
    this.#freeBytes += size
  })

  constructor(bytes: number = poolBytes) {
    this.#freeBytes = bytes
  }

  get freeBytes(): number {
    return this.#freeBytes
  }

  /** Whether somebody waits for a large loan, or for one that may become large. */
  get isContended(): boolean {
    return isWaitedIn(this.#large) || isWaitedIn(this.#growing)
  }

  /** Waits for its turn at most `mostMs`, then throws `busy`. `mayGrow`: whether it may be exchanged for a large one. */
  async lend(size: number, { mostMs, mayGrow = false }: { mostMs?: number; mayGrow?: boolean } = {}) {
    const small = mayGrow ? this.#growing : this.#small
    await this.#reserve(size > smallLoanBytes ? this.#large : small, size, mostMs)
    return this.#loan(size)
  }

  /** A buffer, if there is one right now and nobody waits for memory. */
  lendNow(size: number): PooledBuffer | null {
    if (this.isContended || isWaitedIn(this.#small)) return null
    if (!this.#hasRoomFor(size, size > smallLoanBytes ? this.#large : this.#small)) return null
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
    const isPlenty = !this.isContended && this.#hasRoomFor(doubled + wholeBuffersBeside * mostBytes, this.#large)
    const size = isPlenty ? doubled : mostBytes
    await this.#reserve(this.#large, size - buffer.size)
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
    if (!(await this.#reserve(this.#large, buffer.size, Number.POSITIVE_INFINITY, isGivenUp))) return false
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

  #hasRoomFor(size: number, line: Line): boolean {
    return this.#freeBytes - line.leavesBytes >= size
  }

  /**
   * First come, first served in its line; false when it was given up. Waiting is polled: on Workers a promise that belongs
   * to one request can't be resolved from another.
   */
  async #reserve(line: Line, size: number, mostMs = longestWaitMs, isGivenUp = () => false): Promise<boolean> {
    const { tickets } = line
    if (tickets.length === 0 && this.#hasRoomFor(size, line)) {
      this.#freeBytes -= size
      return true
    }
    const startedAt = Date.now()
    const ticket: Ticket = { polledAt: startedAt }
    tickets.push(ticket)
    try {
      while (firstOf(tickets, ticket) !== ticket || !this.#hasRoomFor(size, line)) {
        if (isGivenUp()) return false
        if (Date.now() - startedAt >= mostMs) throw busy()
        await new Promise((resolve) => setTimeout(resolve, pollMs))
        ticket.polledAt = Date.now()
        // Taken for gone where everything here has stood still for a while: it is first again, as it was.
        if (!tickets.includes(ticket)) tickets.unshift(ticket)
      }
      this.#freeBytes -= size
      return true
    } finally {
      const index = tickets.indexOf(ticket)
      if (index >= 0) tickets.splice(index, 1)
    }
  }
}

const isWaitedIn = ({ tickets }: Line) => tickets.length > 0 && firstOf(tickets) !== undefined

/** Whose turn it is, after those have been dropped who will never come; `own` is here. */
function firstOf(tickets: Ticket[], own?: Ticket): Ticket | undefined {
  const now = Date.now()
  while (tickets[0] && tickets[0] !== own && now - tickets[0].polledAt > goneAfterMs) tickets.shift()
  return tickets[0]
}

function busy(): Refusal {
  return new Refusal(
    'busy',
    'Too many uploads are running here at this moment. Send the request again in a few seconds.',
    { retryAfterSeconds: 5 },
  )
}
