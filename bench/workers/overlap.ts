import { createHash } from 'node:crypto'
import { minPartBytes } from '../../src/core/part-size.ts'
import { policySchema } from '../../src/core/policy.ts'
import { unmeasured } from '../../src/core/ports.ts'
import { BufferPool } from '../../src/ingest/buffer-pool.ts'
import { storeFile } from '../../src/ingest/store-file.ts'
import type { ByteSource, Filled } from '../../src/multipart/byte-source.ts'
import { ObjectStorage } from '../../src/storage/object-storage.ts'

interface Bindings {
  BUCKET: R2Bucket
}

/** What each call to R2 takes longer, and what the source takes for one part. */
const delayMs = 50
const pieces = 4

const pool = new BufferPool()
const policy = policySchema.parse({})
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/**
 * Stands for a client that sends one part in `delayMs`: each fill brings a piece of a part, when it is due. Due is counted
 * from when the part was begun: where each piece waited for its own time after the last, a busy process would make the
 * client slower than it is said to be.
 */
class PacedSource implements ByteSource {
  #leftBytes: number
  #partBegan = 0
  readonly #partBytes: number

  constructor(bytes: number, partBytes: number) {
    this.#leftBytes = bytes
    this.#partBytes = partBytes
  }

  async fill(buffer: ArrayBuffer, offset: number): Promise<Filled> {
    if (offset === 0) this.#partBegan = Date.now()
    const count = Math.min(this.#leftBytes, Math.ceil(this.#partBytes / pieces), buffer.byteLength - offset)
    await sleep(this.#partBegan + delayMs * ((offset + count) / this.#partBytes) - Date.now())
    this.#leftBytes -= count
    return { buffer, end: offset + count, done: this.#leftBytes === 0 }
  }
}

/** A bucket as far away as a real one. */
function distant(bucket: R2Bucket): R2Bucket {
  const late = async <T>(call: () => Promise<T>): Promise<T> => {
    await sleep(delayMs)
    return call()
  }
  return {
    createMultipartUpload: async (key: string) => {
      const upload = await late(() => bucket.createMultipartUpload(key))
      return {
        uploadId: upload.uploadId,
        uploadPart: (number: number, bytes: Uint8Array) => late(() => upload.uploadPart(number, bytes)),
        complete: (parts: R2UploadedPart[]) => late(() => upload.complete(parts)),
      }
    },
  } as unknown as R2Bucket
}

/** Reads a part, hashes it, writes it, and only then reads the next. */
async function storeInTurns(source: ByteSource, bucket: R2Bucket, key: string, partBytes: number): Promise<number> {
  const upload = await bucket.createMultipartUpload(key)
  const parts: R2UploadedPart[] = []
  const hash = createHash('sha256')
  let memory = new ArrayBuffer(partBytes)
  let size = 0
  for (let done = false; !done; ) {
    let end = 0
    while (end < partBytes && !done) {
      const from = end
      ;({ buffer: memory, end, done } = await source.fill(memory, from))
      hash.update(new Uint8Array(memory, from, end - from))
    }
    parts.push(await upload.uploadPart(parts.length + 1, new Uint8Array(memory, 0, end)))
    size += end
  }
  await upload.complete(parts)
  return size
}

/**
 * `/overlapped` and `/in-turns` each store `?bytes=` from a source inside the process, in the 5 MiB parts of a body whose
 * length nobody knows: larger ones keep R2's simulator busy for longer than all that could overlap.
 */
export default {
  async fetch(request, { BUCKET }) {
    const { pathname, searchParams } = new URL(request.url)
    const [key, bytes, bucket] = [crypto.randomUUID(), Number(searchParams.get('bytes')), distant(BUCKET)]
    const source = new PacedSource(bytes, minPartBytes)
    if (pathname === '/in-turns') return Response.json({ size: await storeInTurns(source, bucket, key, minPartBytes) })
    const expected = { filename: 'bench.bin', declaredType: null, digests: new Map(), policy }
    const claim = { async open() {}, async abandon() {} }
    const parts = { storage: new ObjectStorage(bucket, unmeasured), pool, claim }
    const { size } = await storeFile(source, { ...expected, key, atMostBytes: null }, parts)
    return Response.json({ size })
  },
} satisfies ExportedHandler<Bindings>
