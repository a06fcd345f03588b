import type { IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Upload } from '../api.ts'
import { type Client, segment } from '../client.ts'
import { BadOutcome } from '../errors.ts'
import { isBrokenConnection, readPieces } from '../exchange.ts'
import type { Progress } from '../progress.ts'
import type { Sink } from './sink.ts'

const resumeDelayMs = 500

/**
 * Fetches an upload's content into a sink, after what the sink has already, and goes on where a connection breaks, as
 * often as the client may try again. At the end the bytes are held against their digest.
 * Throws `BadOutcome` when they differ; then nothing is left in the sink. After any other error what came stays there.
 */
export async function fetchContent(client: Client, upload: Upload, sink: Sink, progress: Progress): Promise<void> {
  let promised = upload.sha256
  for (let tries = 0; sink.takenBytes < upload.size; tries++) {
    try {
      const response = await openContent(client, upload, sink)
      promised = reprDigest(response) ?? promised
      for await (const piece of readPieces(client.settings.url, response, client.signal)) {
        await sink.write(piece)
        progress.update(sink.takenBytes)
      }
      break
    } catch (error) {
      if (tries >= client.retries || !isBrokenConnection(error)) throw error
      await sleep(resumeDelayMs * 2 ** tries, undefined, { signal: client.signal }).catch(() =>
        client.signal.throwIfAborted(),
      )
    }
  }
  const received = sink.digest()
  if (received === promised) return
  await sink.discard()
  throw new BadOutcome(
    `What arrived is not ${upload.filename}: its SHA-256 is ${received}, not ${promised}. Nothing was kept of it; try again.`,
  )
}

/** The rest of the content. The whole of it comes when the server has other bytes now than those in the sink. */
async function openContent(client: Client, { id, sha256 }: Upload, sink: Sink): Promise<IncomingMessage> {
  const headers: Record<string, string> = { accept: '*/*' }
  if (sink.takenBytes > 0) {
    headers.range = `bytes=${sink.takenBytes}-`
    // The content's entity tag is its SHA-256.
    headers['if-range'] = `"${sha256}"`
  }
  const response = await client.open('GET', `/v1/uploads/${segment(id)}/content`, { headers })
  const goesOn = response.headers['content-range']?.startsWith(`bytes ${sink.takenBytes}-`) ?? false
  if (sink.takenBytes > 0 && !goesOn) await sink.restart()
  return response
}

/** The SHA-256 that the answer promises for the whole content (RFC 9530), in hexadecimal. */
function reprDigest({ headers }: IncomingMessage): string | undefined {
  const base64 = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]+):/i.exec(`${headers['repr-digest'] ?? ''}`)?.[1]
  return base64 && Buffer.from(base64, 'base64').toString('hex')
}
