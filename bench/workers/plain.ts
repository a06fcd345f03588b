import { Hono } from 'hono'

interface Bindings {
  BUCKET: R2Bucket
  DB: D1Database
  JOBS: Queue
}

/**
 * The plainest upload handler that there is: no domain, no policy, no event, no check and no digest. It is what the
 * whole application is held against.
 */
const app = new Hono<{ Bindings: Bindings }>()

app.post('/upload', async (c) => {
  const { file } = await c.req.parseBody()
  if (!(file instanceof File)) return c.text('There is no file', 400)
  const id = crypto.randomUUID()
  await c.env.BUCKET.put(id, file)
  await c.env.DB.prepare('INSERT INTO files (id, name, type, size, created_at) VALUES (?, ?, ?, ?, ?)')
    .bind(id, file.name, file.type, file.size, Date.now())
    .run()
  await c.env.JOBS.send({ id })
  return c.json({ id, name: file.name, size: file.size }, 202)
})

/** The bytes of the request straight into R2, as they are. */
app.put('/put/:key', async (c) => {
  const object = await c.env.BUCKET.put(c.req.param('key'), c.req.raw.body)
  return c.json({ size: object?.size })
})

/** So many bytes into R2 in parts of 5 MiB, each from the same buffer: what R2 alone takes for an upload in parts. */
app.put('/parts/:key/:bytes', async (c) => {
  const upload = await c.env.BUCKET.createMultipartUpload(c.req.param('key'))
  const buffer = new Uint8Array(5 * 1024 ** 2)
  const parts: R2UploadedPart[] = []
  for (let left = Number(c.req.param('bytes')); left > 0; left -= buffer.length) {
    parts.push(await upload.uploadPart(parts.length + 1, buffer.subarray(0, left)))
  }
  const object = await upload.complete(parts)
  return c.json({ size: object.size })
})

app.delete('/:key', async (c) => {
  await c.env.BUCKET.delete(c.req.param('key'))
  return c.body(null, 204)
})

export default app
