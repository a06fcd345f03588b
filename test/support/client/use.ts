import {
  StevedoreClient,
  StevedoreError,
  verifyWebhook,
  type WatchedEvent,
  type WebhookMessage,
} from 'stevedore/client'

// Only its types are looked at: each line is right, or wrong where it says so.

const client = new StevedoreClient({ url: 'https://acme.uploads.example.com', key: 'stv_key', fetch })
// @ts-expect-error: it needs to know where the server is
new StevedoreClient({ key: 'stv_key' })

export async function use(file: File, signal: AbortSignal): Promise<string> {
  const upload = await client.upload(file, {
    signal,
    metadata: { invoice: '4711' },
    onProgress: ({ sentBytes, totalBytes }) => sentBytes / totalBytes,
  })
  await client.upload(new Uint8Array(3), { filename: 'three.bin' })
  upload.links.content satisfies string
  upload.readToken satisfies string | undefined

  for await (const event of client.watch(upload, { signal })) show(event)
  for await (const { filename } of client.list({ status: 'complete', createdAfter: new Date() }))
    filename satisfies string
  // @ts-expect-error: there is no such status
  client.list({ status: 'done' })

  const { status, failure } = await client.wait(upload.id, { timeoutMs: 1000 })
  // @ts-expect-error: a status is one of a few words
  if (status === 'done') return ''
  const { token } = await client.createUploadToken({ types: ['image/*'], uses: 1 })
  // @ts-expect-error: a token has no such limit
  await client.createUploadToken({ maxBytes: 1 })
  const response = await client.download(upload, { range: { offset: 0, length: 100 } })
  return failure?.code ?? token + (await response.text())
}

function show(event: WatchedEvent): number | string | null {
  if (event.type === 'progress') return event.progress
  if (event.type === 'reset') return event.reason
  return event.number + event.eventId
}

export function explain(error: unknown): string {
  if (!(error instanceof StevedoreError)) return String(error)
  // @ts-expect-error: there is no such code
  if (error.code === 'no-such-code') return ''
  return error.code === 'file-too-large' ? `at most ${error.limit} bytes` : error.detail
}

export async function receive(request: Request): Promise<string> {
  const message: WebhookMessage = await verifyWebhook(request, ['whsec_now', 'whsec_before'])
  switch (message.type) {
    case 'webhook.test':
      return message.data.endpointId
    case 'webhook.disabled':
      return message.data.reason satisfies 'gone' | 'failing'
    default:
      return message.data.upload.sha256
  }
}
