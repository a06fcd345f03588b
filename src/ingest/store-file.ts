import { partBytesFor } from '../core/part-size.ts'
import type { ByteSource } from '../multipart/byte-source.ts'
import type { ObjectStorage } from '../storage/object-storage.ts'
import type { BufferPool, PooledBuffer } from './buffer-pool.ts'
import { sniffBytes } from './detect-type.ts'
import { Examination, type Expectations, type Findings } from './examination.ts'
import { PartWriter } from './part-writer.ts'

/** One file on its way in. */
export interface FileToStore extends Expectations {
  key: string
  /** The most bytes it can still have, as far as that is known: sizes the first buffer. */
  atMostBytes: number | null
}

/** What must happen around a file that is larger than one part. */
export interface LargeFileClaim {
  /** Records R2's upload id before the first part is written. */
  open(r2UploadId: string): Promise<void>
  /** Undoes all of it: the file was refused, or its body broke off. Never throws. */
  abandon(r2UploadId: string): Promise<void>
}

/** Every file begins in a buffer of this size, or in a smaller one when it can't be larger. */
const firstBufferBytes = 64 * 1024
/** A file that is known to be no larger than this gets all its memory at once. */
const knownSmallBytes = 256 * 1024

/** Whether others wait for large memory, of which a file holds some when so much of it has come. */
export function keepsOthersWaiting(pool: BufferPool, receivedBytes: number): boolean {
  return receivedBytes > firstBufferBytes && pool.isContended
}

/**
 * Reads a file from its source once, examines it on the way, and writes it to R2: by a single `put` when it fits one
 * part, in parts of equal size beyond that, the next being filled while others are written. When it throws, nothing is
 * left: a refusal, a source that breaks off and a failure of R2 all remove what was written.
 */
export async function storeFile(
  source: ByteSource,
  file: FileToStore,
  { storage, pool, claim }: { storage: ObjectStorage; pool: BufferPool; claim: LargeFileClaim },
): Promise<Findings> {
  const examination = new Examination(file)
  const atMostBytes = Math.min(file.atMostBytes ?? Number.POSITIVE_INFINITY, file.policy.maxFileBytes)
  const partBytes = partBytesFor(atMostBytes)
  // One byte more than the file can have is room to see its end in.
  const enoughBytes = Math.min(atMostBytes + 1, partBytes)
  let buffer = await (enoughBytes <= knownSmallBytes
    ? pool.lend(enoughBytes)
    : pool.lend(firstBufferBytes, { mayGrow: true }))
  try {
    let filled = await fillUp(source, buffer, 0, examination)
    await examination.judgeHead(new Uint8Array(buffer.memory, 0, Math.min(filled.end, sniffBytes)))
    while (!filled.done && buffer.size < partBytes) {
      buffer = await pool.grow(buffer, buffer.size < enoughBytes ? enoughBytes : partBytes)
      filled = await fillUp(source, buffer, filled.end, examination)
    }
    if (filled.done) {
      const findings = examination.finish()
      await putWhole(storage, file.key, new Uint8Array(buffer.memory, 0, filled.end))
      return findings
    }
    return await writeParts(source, file.key, buffer, {
      storage,
      pool,
      claim,
      examination,
    })
  } finally {
    pool.takeBack(buffer)
  }
}

/** Fills a buffer from `offset` until it is full or the file has ended. */
async function fillUp(
  source: ByteSource,
  buffer: PooledBuffer,
  offset: number,
  examination: Examination,
): Promise<{ end: number; done: boolean }> {
  let end = offset
  while (end < buffer.size) {
    const filled = await source.fill(buffer.memory, end)
    buffer.memory = filled.buffer
    examination.pass(new Uint8Array(filled.buffer, end, filled.end - end))
    end = filled.end
    if (filled.done) return { end, done: true }
  }
  return { end, done: false }
}

async function putWhole(storage: ObjectStorage, key: string, bytes: Uint8Array): Promise<void> {
  try {
    await storage.put(key, bytes)
  } catch (error) {
    // R2 may have stored it and lost only the answer. The key is ours alone, so removing it can hurt nobody.
    await storage.remove([key]).catch(() => {})
    throw error
  }
}

/** Writes a file whose first part lies in `first`, full to its end. */
async function writeParts(
  source: ByteSource,
  key: string,
  first: PooledBuffer,
  {
    storage,
    pool,
    claim,
    examination,
  }: {
    storage: ObjectStorage
    pool: BufferPool
    claim: LargeFileClaim
    examination: Examination
  },
): Promise<Findings> {
  const upload = await storage.startMultipart(key)
  const writer = new PartWriter(upload, pool, first)
  try {
    await claim.open(upload.id)
    let [buffer, end, done] = [first, first.size, false]
    while (end > 0) {
      writer.write(buffer, end)
      if (done) break
      buffer = await writer.nextBuffer()
      ;({ end, done } = await fillUp(source, buffer, 0, examination))
    }
    await writer.finish()
    const findings = examination.finish()
    await upload.complete()
    return findings
  } catch (error) {
    // R2 may still be reading what is about to be reused, and a part that comes late would outlive its upload.
    await writer.release()
    await claim.abandon(upload.id)
    throw error
  } finally {
    await writer.release()
  }
}
