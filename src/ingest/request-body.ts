import type { Hash } from 'node:crypto'
import { type DigestAlgorithm, type ExpectedDigests, equalBytes } from '../core/digest.ts'
import { Refusal } from '../core/errors.ts'
import { type ByteReader, byteReaderOf } from '../multipart/byte-source.ts'
import { BodyPace, lookMs } from './body-pace.ts'
import type { BufferPool, PooledBuffer } from './buffer-pool.ts'
import { newHash } from './new-hash.ts'

/** How much of a refused body is read on, so that the client finds the answer and not a reset connection. */
const longestDrainMs = 5_000
const mostDrainedBytes = 64 * 1024 * 1024
/** It begins with little, since many may announce a body and send nothing; more is lent where bytes really come. */
const firstDrainBytes = 16 * 1024
const drainBufferBytes = 256 * 1024

const nobodyWaits = () => false

/**
 * The body of one request, read once and in order. It refuses a body that breaks off, falls silent, keeps others waiting
 * or grows beyond its limit, and can be drained when the request has been refused for another reason.
 */
export class RequestBody implements ByteReader {
  /** From `Content-Length`; null when the client did not say. */
  readonly declaredBytes: number | null
  readonly #stream: ReadableStream<Uint8Array> | null
  #reader: ByteReader | null = null
  #limitBytes = Number.POSITIVE_INFINITY
  #readBytes = 0
  #ended: boolean
  #trustsLength = false
  /** Why it was given up for its slowness, once it was. */
  #tooSlow: Refusal | null = null
  readonly #pace = new BodyPace()
  #othersWait = nobodyWaits
  /** The last read that was begun; who began it may have left it. */
  #reading: Promise<unknown> = Promise.resolve()
  #refuseTooMany: (limit: number, value: number) => Refusal = tooLarge
  #digests: { algorithm: DigestAlgorithm; expected: Uint8Array; hash: Hash }[] = []
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(stream: ReadableStream<Uint8Array> | null, contentLength: string | null | undefined) {
    this.#stream = stream
    this.#ended = stream === null
    this.declaredBytes =
      contentLength && /^\d{1,15}$/.test(contentLength) ? Number(contentLength) : stream === null ? 0 : null
  }

  /** Whether somebody has begun to read it here. */
  get isBeingRead(): boolean {
    return this.#reader !== null
  }

  /** How many bytes of it have been read so far. */
  get readBytes(): number {
    return this.#readBytes
  }

  /** Sets the most bytes the whole body may have, and refuses at once a body that declares more. */
  limitTo(bytes: number): void {
    if (this.declaredBytes !== null && this.declaredBytes > bytes) throw tooLarge(bytes, this.declaredBytes)
    this.#limitBytes = bytes
    this.#refuseTooMany = tooLarge
  }

  /** Until `limitTo` is called, lets only so many bytes be read, whatever was declared, and refuses more in its own way. */
  holdTo(bytes: number, refuse: () => Refusal): void {
    this.#limitBytes = bytes
    this.#refuseTooMany = refuse
  }

  /** From here on, refuses a body that comes too slowly while others wait, by `othersWait`, for memory that it holds. */
  hurryWhile(othersWait: () => boolean): void {
    this.#othersWait = othersWait
  }

  /** Takes the declared length for the end, which saves a read: for a body that shows by itself whether it is whole. */
  trustLength(): void {
    this.#trustsLength = true
  }

  /** Has the whole body hashed as it is read, form boundaries and all; see `checkDigests`. */
  expectDigests(expected: ExpectedDigests): void {
    this.#digests = [...expected].map(([algorithm, digest]) => ({
      algorithm,
      expected: digest,
      hash: newHash(algorithm),
    }))
  }

  /** After the last byte: throws `digest-mismatch` when the body is not what the client promised. */
  checkDigests(): void {
    for (const { algorithm, expected, hash } of this.#digests) {
      if (!equalBytes(expected, new Uint8Array(hash.digest()))) {
        throw new Refusal('digest-mismatch', `The request body is not the one that its ${algorithm} digest promises.`, {
          facts: { algorithm },
        })
      }
    }
  }

  async read(view: Uint8Array): Promise<{ done: boolean; value?: Uint8Array | undefined }> {
    if (this.#ended || !this.#stream) return { done: true, value: view.subarray(0, 0) }
    this.#reader ??= byteReaderOf(this.#stream)
    this.#timer ??= setTimeout(() => this.#look(), lookMs)
    const reading = this.#readOn(this.#reader, view)
    this.#reading = reading
    const result = await reading
    for (const { hash } of this.#digests) if (result.value) hash.update(result.value)
    this.#readBytes += result.value?.byteLength ?? 0
    if (result.done || (this.#trustsLength && this.#readBytes === this.declaredBytes)) this.#end()
    if (this.#tooSlow) throw this.#tooSlow
    // A Worker in front that hands on a body which breaks off ends it here as if it were whole; only the length tells.
    if (result.done && this.#readBytes < (this.declaredBytes ?? 0)) throw incomplete()
    if (this.#readBytes > this.#limitBytes) throw this.#refuseTooMany(this.#limitBytes, this.#readBytes)
    return result
  }

  /**
   * Reads on and throws away, up to 64 MiB or 5 s: a Worker that answers while the client still writes resets the
   * connection in most tries, and the client never sees why. Never throws. Without a pool it makes do with 16 KiB.
   */
  async drain(pool?: Pick<BufferPool, 'lendNow' | 'takeBack'>): Promise<void> {
    if (this.#ended) return
    this.#limitBytes = Number.POSITIVE_INFINITY
    const until = Date.now() + longestDrainMs
    const timer = setTimeout(() => this.#cancel(), longestDrainMs)
    let lent: PooledBuffer | null = null
    try {
      // A stream of the runtime's has one read at a time.
      await this.#reading
      let memory = new ArrayBuffer(Math.min(firstDrainBytes, Math.max(1, this.#leftBytes)))
      for (let drained = 0; drained < mostDrainedBytes && Date.now() < until; ) {
        const { done, value } = await this.read(new Uint8Array(memory))
        if (done || !value) break
        drained += value.byteLength
        memory = value.buffer as ArrayBuffer
        if (lent) lent.memory = memory
        else if (value.byteLength === memory.byteLength && this.#leftBytes > memory.byteLength) {
          lent = pool?.lendNow(Math.min(drainBufferBytes, this.#leftBytes)) ?? null
          memory = lent?.memory ?? memory
        }
      }
    } catch {
      // The client has gone, or never ends: there is nobody to answer better than this.
    } finally {
      clearTimeout(timer)
      clearTimeout(this.#timer)
      if (lent) pool?.takeBack(lent)
    }
  }

  /** The most bytes that can still come. */
  get #leftBytes(): number {
    return (this.declaredBytes ?? Number.POSITIVE_INFINITY) - this.#readBytes
  }

  async #readOn(reader: ByteReader, view: Uint8Array): Promise<{ done: boolean; value?: Uint8Array | undefined }> {
    this.#pace.begin()
    try {
      return await reader.read(view)
    } catch (cause) {
      this.#end()
      // Cancelling a stream rejects the read that waits for it.
      if (this.#tooSlow) throw this.#tooSlow
      throw incomplete(cause)
    } finally {
      this.#pace.end()
    }
  }

  /** One timer a body that looks from time to time: one a read would cost more than the read. */
  #look(): void {
    this.#tooSlow = this.#pace.judge(this.#readBytes, this.#othersWait)
    if (this.#tooSlow) {
      this.#cancel()
      return
    }
    this.#timer = setTimeout(() => this.#look(), lookMs)
  }

  #cancel(): void {
    const reader = this.#reader as (ByteReader & { cancel?: () => Promise<void> }) | null
    reader?.cancel?.().catch(() => {})
  }

  #end(): void {
    this.#ended = true
    clearTimeout(this.#timer)
  }
}

/** Also what a body is refused with that declares too much. */
function tooLarge(limit: number, value: number): Refusal {
  return new Refusal(
    'request-too-large',
    `The request body is larger than the ${limit} bytes this domain takes in one request.`,
    {
      facts: { limit, value },
    },
  )
}

function incomplete(cause?: unknown): Refusal {
  const message = 'The connection broke off before the whole body had arrived; nothing of it was kept.'
  return new Refusal('body-incomplete', message, { cause })
}
