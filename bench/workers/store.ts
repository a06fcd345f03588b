import { maxStorableBytes } from '../../src/core/part-size.ts'
import { policySchema } from '../../src/core/policy.ts'
import { unmeasured } from '../../src/core/ports.ts'
import { BufferPool } from '../../src/ingest/buffer-pool.ts'
import { type LargeFileClaim, storeFile } from '../../src/ingest/store-file.ts'
import { boundaryOf } from '../../src/multipart/boundary.ts'
import { MultipartReader } from '../../src/multipart/multipart-reader.ts'
import { ObjectStorage } from '../../src/storage/object-storage.ts'

interface Bindings {
  BUCKET: R2Bucket
}

const policy = policySchema.parse({ maxFileBytes: maxStorableBytes })
const pool = new BufferPool()

/** Nothing to record: there is no database here. */
const noClaim: LargeFileClaim = { async open() {}, async abandon() {} }

/** Stores the first file of a form as the application does, without the request, the domain and the row around it. */
async function storeForm(request: Request, bucket: R2Bucket, key: string): Promise<number> {
  const stream = request.body as ReadableStream<Uint8Array>
  const form = new MultipartReader(stream, boundaryOf(request.headers.get('content-type')))
  const part = await form.next()
  if (!part) throw new Error('The form has no file')
  const atMostBytes = Number(request.headers.get('content-length'))
  const expected = { filename: 'bench.bin', declaredType: null, digests: new Map(), policy }
  const parts = { storage: new ObjectStorage(bucket, unmeasured), pool, claim: noClaim }
  const { size } = await storeFile(part, { ...expected, key, atMostBytes }, parts)
  await form.next()
  return size
}

/** The engine against R2 itself: `POST /store` takes a form, `PUT /put` the file alone. */
export default {
  async fetch(request, { BUCKET }) {
    const key = crypto.randomUUID()
    switch (new URL(request.url).pathname) {
      case '/store':
        return Response.json({ key, size: await storeForm(request, BUCKET, key) })
      case '/put':
        return Response.json({ key, size: (await BUCKET.put(key, request.body))?.size })
      default:
        return new Response('There is nothing here', { status: 404 })
    }
  },
} satisfies ExportedHandler<Bindings>
