import type { Transport } from '../transport.ts'
import type { AcceptedUpload } from '../types.ts'
import type { Outgoing } from './outgoing.ts'
import { hasXhr, xhrFetch } from './xhr-fetch.ts'

/** Sends a file as the body of one request. It is repeated under one key, so that a repeat stores nothing twice. */
export async function sendWhole(
  transport: Transport,
  { blob, filename, type, metadata, callbackUrl, onProgress, signal }: Outgoing,
  idempotencyKey = randomKey(),
): Promise<AcceptedUpload> {
  const totalBytes = blob.size
  const tell = (sentBytes: number) => onProgress({ sentBytes, totalBytes })
  tell(0)
  const upload = await transport.json<AcceptedUpload>('PUT', `/v1/uploads/${pathSegment(filename)}`, {
    headers: {
      'content-type': type || undefined,
      'idempotency-key': idempotencyKey,
      'x-upload-metadata': Object.keys(metadata).length > 0 ? asciiJson(metadata) : undefined,
      'x-callback-url': callbackUrl,
    },
    body: blob,
    // One for all tries: the key counts for the token that it comes with.
    credential: await transport.credential(),
    signal,
    repeatable: 'always',
    ...(hasXhr && !transport.hasOwnFetch && { fetch: xhrFetch(tell) }),
  })
  tell(totalBytes)
  return upload
}

/** A name as one segment of a path. A path of dots would mean another address, and none is none. */
function pathSegment(filename: string): string {
  return /^\.{0,2}$/.test(filename) ? 'unnamed' : encodeURIComponent(filename.toWellFormed())
}

/** JSON in the characters that a header holds for certain. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Not `crypto.randomUUID()`, which a page has over HTTPS only. */
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
