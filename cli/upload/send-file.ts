import { createHash, randomUUID } from 'node:crypto'
import type { Upload } from '../api.ts'
import type { Client } from '../client.ts'
import { BadOutcome } from '../errors.ts'
import type { Progress } from '../progress.ts'
import { type Declared, uploadTarget } from './request.ts'
import { digestOf, type Source } from './source.ts'

/**
 * Uploads one file and gives it as the server took it. A file of this machine is read twice: its digest goes ahead of
 * it, so that the server keeps nothing that was changed on the way, and it is sent again when the connection breaks,
 * under one Idempotency-Key. Standard input can be read once, so it is sent once, and its digest compared afterwards.
 */
export async function sendFile(
  client: Client,
  source: Source,
  { idempotencyKey, progress, ...declared }: Declared & { idempotencyKey: string | undefined; progress: Progress },
): Promise<Upload> {
  const isFile = source.size !== null
  const digestAhead = isFile ? await digestOf(source, client.signal) : null
  const { path, headers } = uploadTarget(source, digestAhead, declared)
  const hash = createHash('sha256')
  const upload = await client.json<Upload>('PUT', path, {
    headers: { ...headers, 'idempotency-key': idempotencyKey ?? randomUUID() },
    body: () => (isFile ? source.read() : hashed(source.read(), hash)),
    onProgress: (sentBytes) => progress.update(sentBytes),
    repeatable: isFile ? 'always' : 'never',
  })
  const sent = digestAhead ?? hash.digest('hex')
  if (upload.sha256 === sent) return upload
  throw new BadOutcome(
    `The server has stored other bytes as ${upload.id} than were sent (SHA-256 ${upload.sha256}, not ${sent}). Delete it and send the file again.`,
  )
}

async function* hashed(bytes: AsyncIterable<Buffer>, hash: ReturnType<typeof createHash>): AsyncGenerator<Buffer> {
  for await (const piece of bytes) {
    hash.update(piece)
    yield piece
  }
}
