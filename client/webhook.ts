import type { WebhookMessage } from './types.ts'

/** A message as it arrived: the standard `Request`, or the headers and the body as the framework at hand has them. */
export type WebhookRequest =
  | Request
  | {
      headers: Headers | Record<string, string | readonly string[] | undefined>
      /** As it was sent, byte for byte: before anything has parsed it. */
      body: string | Uint8Array
    }

export interface VerifyOptions {
  /** How far the time of the message may be from now, in seconds; 300 unless given. */
  toleranceSeconds?: number
}

/** The message is not to be believed: answer it with 401. */
export class WebhookVerificationError extends Error {
  override readonly name = 'WebhookVerificationError'
}

const prefix = 'whsec_'

/**
 * The message of a webhook or a callback, once its signature (Standard Webhooks 1.0) is found good for one of the secrets:
 * `whsec_…`, as the server has shown it. Throws `WebhookVerificationError` when it is not, or when the message is older or
 * newer than the tolerance; and a TypeError for a secret that is none.
 */
export async function verifyWebhook(
  request: WebhookRequest,
  secrets: string | readonly string[],
  { toleranceSeconds = 300 }: VerifyOptions = {},
): Promise<WebhookMessage> {
  const keys = await Promise.all([secrets].flat().map(importKey))
  const [id, timestamp, signatures] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) =>
    headerOf(request, name),
  )
  if (!id || !timestamp || !signatures) {
    throw new WebhookVerificationError(
      'The headers webhook-id, webhook-timestamp and webhook-signature are not all there.',
    )
  }
  if (!/^\d{1,12}$/.test(timestamp) || Math.abs(Date.now() / 1000 - Number(timestamp)) > toleranceSeconds) {
    throw new WebhookVerificationError(`The message is not of the last ${toleranceSeconds} seconds.`)
  }
  const body = request.body
  const bytes = typeof body === 'string' ? encode(body) : body instanceof Uint8Array ? body : await readBody(request)
  const head = encode(`${id}.${timestamp}.`)
  const signed = new Uint8Array(head.length + bytes.length)
  signed.set(head)
  signed.set(bytes, head.length)
  for (const key of keys) {
    for (const signature of signatures.split(' ').flatMap(decodeSignature)) {
      // Compares in constant time.
      if (await crypto.subtle.verify('HMAC', key, signature, signed)) return JSON.parse(new TextDecoder().decode(bytes))
    }
  }
  throw new WebhookVerificationError('No signature of the message is of any of the secrets.')
}

function importKey(secret: string): Promise<CryptoKey> {
  const key = decodeBase64(secret.startsWith(prefix) ? secret.slice(prefix.length) : secret)
  if (!key || key.byteLength === 0) throw new TypeError(`A webhook's secret is ${prefix} and base64.`)
  return crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['verify'])
}

function headerOf({ headers }: WebhookRequest, name: string): string | null {
  // Not `instanceof`: a framework may bring a class of its own.
  if (typeof headers.get === 'function') return headers.get(name)
  const entry = Object.entries(headers).find(([key]) => key.toLowerCase() === name)
  return entry?.[1] === undefined ? null : [entry[1]].flat().join(' ')
}

async function readBody(request: WebhookRequest): Promise<Uint8Array> {
  if (!('arrayBuffer' in request)) throw new TypeError('The body of a webhook is a string or bytes, as it was sent.')
  return new Uint8Array(await request.arrayBuffer())
}

/** The bytes of a signature such as `v1,K5oZ…`; none of other versions. */
function decodeSignature(text: string): Uint8Array<ArrayBuffer>[] {
  const [version, base64 = ''] = text.split(',')
  const signature = version === 'v1' ? decodeBase64(base64) : null
  return signature ? [signature] : []
}

function decodeBase64(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return new Uint8Array([...atob(text)].map((character) => character.charCodeAt(0)))
  } catch {
    return null
  }
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
