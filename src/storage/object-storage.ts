import type { Meter } from '../core/ports.ts'
import { ObjectReader } from './object-reader.ts'
import { isUnknownUpload, orTrouble } from './trouble.ts'

/** A range of an object, in bytes from its start. */
export interface ByteRange {
  offset: number
  length: number
}

/** The bytes of a file on their way out. */
export interface StoredObject {
  body: ReadableStream<Uint8Array>
  /** Of the whole object, not of the range. */
  size: number
}

/**
 * Files' bytes in one R2 bucket. Keys come from `core/object-key.ts` and are written once. Every method throws
 * `Unavailable` when the fault is R2's own.
 */
export class ObjectStorage {
  readonly #bucket: R2Bucket
  readonly #meter: Meter

  constructor(bucket: R2Bucket, meter: Meter) {
    this.#bucket = bucket
    this.#meter = meter
  }

  /**
   * Stores a whole object. It is not handed its digest: R2 would hash the same bytes a second time, and `inspect` holds
   * what was stored against the row in any case, as it must for objects of several parts, which R2 can't check.
   */
  async put(key: string, bytes: Uint8Array): Promise<void> {
    await orTrouble(this.#meter, this.#bucket.put(key, bytes))
  }

  /** Starts an object that is written in parts: equal ones of 5 MiB or more, then a last one of any size. */
  async startMultipart(key: string): Promise<MultipartWrite> {
    const upload = await orTrouble(this.#meter, this.#bucket.createMultipartUpload(key))
    return new MultipartWrite(upload, this.#meter)
  }

  /** Stores one part of an object that was begun by an earlier request. Returns its ETag, which `completeMultipart` wants. */
  async writePart(key: string, r2UploadId: string, number: number, bytes: Uint8Array): Promise<string> {
    const upload = this.#bucket.resumeMultipartUpload(key, r2UploadId)
    return (await orTrouble(this.#meter, upload.uploadPart(number, bytes))).etag
  }

  /** Puts an object together whose parts were written by several requests. Throws as `isLostUpload` tells when R2 lacks it or a part. */
  async completeMultipart(key: string, r2UploadId: string, etags: readonly string[]): Promise<void> {
    const parts = etags.map((etag, index) => ({ partNumber: index + 1, etag }))
    await orTrouble(this.#meter, this.#bucket.resumeMultipartUpload(key, r2UploadId).complete(parts))
  }

  /** How many bytes an object has; null when there is none. */
  async sizeOf(key: string): Promise<number | null> {
    return (await orTrouble(this.#meter, this.#bucket.head(key)))?.size ?? null
  }

  /** Ends an unfinished object and frees its parts. Nothing happens when R2 no longer knows it. */
  async abortMultipart(key: string, r2UploadId: string): Promise<void> {
    try {
      await orTrouble(this.#meter, this.#bucket.resumeMultipartUpload(key, r2UploadId).abort())
    } catch (error) {
      if (!isUnknownUpload(error)) throw error
    }
  }

  /** The object, or a range of it; null when there is none. The range must lie inside the object. */
  async read(key: string, range?: ByteRange): Promise<StoredObject | null> {
    const object = await orTrouble(this.#meter, this.#bucket.get(key, range ? { range } : {}))
    return object && { body: object.body, size: object.size }
  }

  /** The same for bytes that are used up here: a reader of them, whose trouble is told as well. */
  async reader(key: string, range?: ByteRange): Promise<ObjectReader | null> {
    const object = await this.read(key, range)
    return object && new ObjectReader(object.body, range?.length ?? object.size)
  }

  /** The keys after this one, in their order, at most `limit`. */
  async listKeys(after: string, limit: number): Promise<string[]> {
    const page = await orTrouble(
      this.#meter,
      this.#bucket.list({ limit, ...(after === '' ? {} : { startAfter: after }) }),
    )
    return page.objects.map((object) => object.key)
  }

  /** Removes every object whose key begins with this. */
  async removeUnder(prefix: string): Promise<void> {
    for (;;) {
      const page = await orTrouble(this.#meter, this.#bucket.list({ prefix }))
      await this.remove(page.objects.map((object) => object.key))
      if (!page.truncated) return
    }
  }

  /** Removes objects, at most 1,000; those that are not there are no error. */
  async remove(keys: string[]): Promise<void> {
    if (keys.length > 0) await orTrouble(this.#meter, this.#bucket.delete(keys))
  }
}

/** One object being written in parts. */
export class MultipartWrite {
  readonly #upload: R2MultipartUpload
  readonly #meter: Meter
  readonly #parts: R2UploadedPart[] = []
  #begun = 0

  constructor(upload: R2MultipartUpload, meter: Meter) {
    this.#upload = upload
    this.#meter = meter
  }

  get id(): string {
    return this.#upload.uploadId
  }

  /** Stores the next part, perhaps while others are on their way. The bytes must stay as they are until the promise settles. */
  async write(bytes: Uint8Array): Promise<void> {
    const number = ++this.#begun
    this.#parts[number - 1] = await orTrouble(this.#meter, this.#upload.uploadPart(number, bytes))
  }

  /** Puts the object together; it can be read afterwards, and not before. */
  async complete(): Promise<void> {
    await orTrouble(this.#meter, this.#upload.complete(this.#parts))
  }
}
