import { Refusal } from '../core/errors.ts'
import type { BufferPool, PooledBuffer } from '../ingest/buffer-pool.ts'
import { sniffBytes } from '../ingest/detect-type.ts'
import { PartWriter } from '../ingest/part-writer.ts'
import type { ByteReader } from '../multipart/byte-source.ts'
import type { ObjectStorage } from '../storage/object-storage.ts'
import type { Ledger } from './ledger.ts'
import { PartKeeper } from './part-keeper.ts'
import { superseded } from './rules.ts'
import { RunningChecksum } from './running-checksum.ts'
import { RunningExamination } from './running-examination.ts'
import type { Append } from './session.ts'
import type { Fence } from './turns.ts'

/**
 * Bytes are read into memory of their own: a read that fails takes the memory that it was given with it. Where nobody
 * waits, the pool lends some, since many small reads cost time and leave garbage; else it is so small that the pool need
 * not count it: who waits for a part's memory must not hold what others wait for.
 */
const scratchBytes = 256 * 1024
const leastScratchBytes = 64 * 1024

/** Longer than an upload of one request waits: this one has perhaps been under way for days. */
const longestWaitMs = 60_000

export interface AppendParts {
  ledger: Ledger
  storage: ObjectStorage
  pool: BufferPool
  objectKey: string
  /** Sees to it that there is a multipart upload, and that all bytes up to this offset are reserved. */
  prepare(upTo: number): Promise<void>
  /** Told how many bytes of the file have been received, kept or not, as they come. */
  onReceived(bytes: number): void
}

/**
 * Reads the body of one append into parts and the tail, and keeps what it brings: also of a body that breaks off or falls
 * silent, and when a newer request raises the fence; then it throws. Of a body with a checksum nothing is kept unless it
 * is the one that was promised. A refusal of the file's bytes is thrown as `judgeBytes` does.
 */
export function appendBody(
  body: ByteReader,
  append: Pick<Append, 'declaredBytes' | 'checksum'>,
  parts: AppendParts,
  fence: Fence,
): Promise<void> {
  return new BodyAppender(parts, append).run(body, fence)
}

class BodyAppender {
  readonly #parts: AppendParts
  readonly #examination: RunningExamination
  readonly #checksum: RunningChecksum | null
  readonly #keeper: PartKeeper
  readonly #startOffset: number
  readonly #bufferBytes: number
  #writer: PartWriter | null = null
  #buffer!: PooledBuffer
  /** From where on the buffer holds bytes of this append, and up to where. */
  #from: number
  #end: number

  constructor(parts: AppendParts, { declaredBytes, checksum }: Pick<Append, 'declaredBytes' | 'checksum'>) {
    const { ledger } = parts
    const { offset, tailBytes, examination } = ledger.progress
    this.#parts = parts
    this.#examination = new RunningExamination(ledger.opening, examination, declaredBytes)
    this.#checksum = checksum && new RunningChecksum(checksum)
    this.#keeper = new PartKeeper(ledger, parts.storage, this.#examination, {
      objectKey: parts.objectKey,
      holds: checksum !== null,
    })
    this.#startOffset = offset
    // What can't fill a part goes to the tail by itself, and needs no room for what is there already.
    const staysTail = declaredBytes !== null && tailBytes + declaredBytes < ledger.partBytes
    this.#bufferBytes = staysTail ? Math.max(1, declaredBytes) : ledger.partBytes
    this.#from = staysTail ? 0 : tailBytes
    this.#end = this.#from
  }

  async run(body: ByteReader, fence: Fence): Promise<void> {
    const { pool } = this.#parts
    const first = await borrow(pool, this.#bufferBytes, fence)
    const lent = pool.lendNow(Math.min(scratchBytes, this.#bufferBytes))
    const scratch = lent?.memory ?? new ArrayBuffer(Math.min(leastScratchBytes, this.#bufferBytes))
    this.#buffer = first
    try {
      const interruption = await this.#readAll(body, scratch, fence)
      await this.#writer?.finish()
      if (interruption === null) this.#checksum?.check()
      if (interruption === null || !this.#checksum) await this.#keepRest()
      if (interruption) throw interruption
    } finally {
      await this.#writer?.release()
      pool.takeBack(first)
      if (lent) pool.takeBack(lent)
    }
  }

  /** Reads to the end of the body. Returns why that was not reached, if it was not; throws what is no fault of the body's. */
  async #readAll(body: ByteReader, scratch: ArrayBuffer, fence: Fence): Promise<Refusal | null> {
    let memory = scratch
    for (let received = this.#startOffset; ; ) {
      const reading = body.read(new Uint8Array(memory))
      const read = await fence.orUntil(reading).catch(asInterruption)
      if (read === null) return superseded()
      if (read instanceof Refusal) return read
      if (read.value) {
        if (!(await this.#take(read.value, fence))) return superseded()
        received += read.value.length
        this.#parts.onReceived(received)
        memory = read.value.buffer as ArrayBuffer
      }
      if (read.done || !read.value) return null
    }
  }

  /** False when the fence was raised while others had their turn with the memory: it takes nothing more. */
  async #take(bytes: Uint8Array, fence: Fence): Promise<boolean> {
    this.#checksum?.pass(bytes)
    for (let rest = bytes; rest.length > 0; ) {
      const piece = rest.subarray(0, this.#buffer.size - this.#end)
      if (piece.length === 0) throw new Error('The body is longer than it was declared.')
      new Uint8Array(this.#buffer.memory).set(piece, this.#end)
      this.#end += piece.length
      rest = rest.subarray(piece.length)
      if (this.#end === this.#parts.ledger.partBytes && !(await this.#writePart(fence))) return false
    }
    return true
  }

  /** The buffer is full, but for the tail that the first part begins with. False when there is none for the next part. */
  async #writePart(fence: Fence): Promise<boolean> {
    const { ledger, pool, prepare } = this.#parts
    const { memory, size } = this.#buffer
    if (this.#from > 0) ledger.readTail(new Uint8Array(memory, 0, this.#from))
    this.#examination.pass(new Uint8Array(memory, this.#from, size - this.#from))
    if (this.#examination.wantsHead) await this.#examination.judgeHead(new Uint8Array(memory, 0, sniffBytes))
    await prepare(this.#examination.bytes)
    this.#writer ??= new PartWriter(this.#keeper, pool, this.#buffer)
    this.#writer.write(this.#buffer, size)
    this.#from = 0
    this.#end = 0
    const next = await this.#writer.nextBuffer(() => fence.isRaised)
    if (next) this.#buffer = next
    return next !== null
  }

  /** Keeps what is too little for a part, with the parts that were held back for it. */
  async #keepRest(): Promise<void> {
    const { ledger } = this.#parts
    const rest = new Uint8Array(this.#buffer.memory, this.#from, this.#end - this.#from)
    this.#examination.pass(rest)
    if (this.#examination.wantsHead) await this.#examination.judgeHead(this.#headWith(rest))
    const held = this.#keeper.take().map((part) => part.etag)
    if (held.length > 0 || rest.length > 0) ledger.keep(held, rest, this.#examination.save())
  }

  /** The first bytes of a file of which no part has been written yet. */
  #headWith(rest: Uint8Array): Uint8Array {
    const { ledger } = this.#parts
    const { tailBytes } = ledger.progress
    const head = new Uint8Array(Math.min(tailBytes + rest.length, sniffBytes))
    ledger.readTail(head)
    if (tailBytes < head.length) head.set(rest.subarray(0, head.length - tailBytes), tailBytes)
    return head
  }
}

/** Memory for an append, which waits for others unless a newer request takes its place. */
async function borrow(pool: BufferPool, bytes: number, fence: Fence): Promise<PooledBuffer> {
  const lending = pool.lend(bytes, { mostMs: longestWaitMs })
  const lent = await fence.orUntil(lending)
  if (lent) return lent
  lending.then((late) => pool.takeBack(late)).catch(() => {})
  throw superseded()
}

/** Why a body did not come to its end, told to its client; what had come is kept. */
function asInterruption(error: unknown): Refusal {
  if (!(error instanceof Refusal)) throw error
  if (error.code !== 'body-incomplete') return error
  return new Refusal(
    'body-incomplete',
    'The connection broke off before the whole body had arrived. What had is kept.',
    {
      cause: error,
    },
  )
}
