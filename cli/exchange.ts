import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { LookupFunction } from 'node:net'
import { Unreachable } from './errors.ts'
import { isLoopback } from './settings.ts'

/** The server gives up a silent body after a minute; an answer that takes this long will not come. */
const silenceMs = 150_000

export interface Message {
  method: string
  headers: Record<string, string>
  /** The pieces of the body, in order. */
  body?: AsyncIterable<Uint8Array> | Iterable<Uint8Array>
  /** Told how many bytes of the body the socket has taken, after each piece. */
  onSent?: (bytes: number) => void
  signal: AbortSignal
}

/**
 * Sends one request over a connection of its own and gives the answer as soon as its head is there, whatever its status;
 * it may come before the body is sent, and then the rest is not sent. Not `fetch`: that sends a streamed body without
 * its length, tells nobody how far it is, and resolves no `*.localhost`.
 * Throws `Unreachable` when no answer comes, the signal's reason when that aborts, and what the body's source throws.
 */
export function exchange(url: URL, { method, headers, body, onSent, signal }: Message): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const isOwnMachine = isLoopback(url.hostname)
    const send = url.protocol === 'https:' ? requestHttps : requestHttp
    const message = send(url.href, {
      method,
      headers,
      agent: false,
      timeout: silenceMs,
      signal,
      ...(isOwnMachine && url.hostname.endsWith('.localhost') && { lookup: lookUpLocalhost }),
    })
    let answered = false
    message.once('timeout', () => message.destroy(new Error(`nothing was heard for ${silenceMs / 1000} seconds`)))
    message.once('error', (error) => reject(signal.aborted ? signal.reason : unreachable(url, error)))
    message.once('response', (response) => {
      answered = true
      // With the rest of the body unsent the connection is of no further use, and would keep the process waiting.
      response.once('end', () => message.writableFinished || message.destroy())
      resolve(response)
    })

    sendBody().catch((error) => {
      message.destroy()
      reject(error)
    })

    async function sendBody() {
      for await (const piece of body ?? []) {
        if (message.destroyed || answered) return
        await new Promise<void>((resume) => message.write(piece, () => resume()))
        if (!message.destroyed) onSent?.(piece.byteLength)
      }
      message.end()
    }
  })
}

/** The body of an answer, whole. Throws as `exchange` does when it breaks off. */
export async function readWhole(url: URL, response: IncomingMessage, signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of readPieces(url, response, signal)) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

/** The body of an answer as it comes in. Throws as `exchange` does when it breaks off. */
export async function* readPieces(url: URL, response: IncomingMessage, signal: AbortSignal): AsyncGenerator<Buffer> {
  try {
    yield* response
  } catch (error) {
    throw signal.aborted ? signal.reason : unreachable(url, error)
  }
}

const lookUpLocalhost: LookupFunction = (_hostname, options, done) => {
  if (options.all) done(null, [{ address: '127.0.0.1', family: 4 }])
  else done(null, '127.0.0.1', 4)
}

const networkErrors = new Map([
  ['ECONNREFUSED', 'nothing listens there'],
  ['ENOTFOUND', 'there is no such host'],
  ['EAI_AGAIN', 'the name could not be looked up; is this machine online?'],
  ['ECONNRESET', 'the connection broke'],
  ['EPIPE', 'the connection broke'],
  ['ETIMEDOUT', 'the host does not answer'],
  ['EHOSTUNREACH', 'there is no way to the host'],
  ['ENETUNREACH', 'there is no way to the network'],
  ['CERT_HAS_EXPIRED', 'its certificate has expired'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'its certificate is signed by itself'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'its certificate is signed by nobody that this machine trusts'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'its certificate is signed by nobody that this machine trusts'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'its certificate is for another host'],
])

/** Whether the connection was there and broke, so that the same request may well succeed. */
export function isBrokenConnection(error: unknown): boolean {
  return error instanceof Unreachable && ['ECONNRESET', 'EPIPE', 'ETIMEDOUT'].includes(codeOf(error.cause) ?? '')
}

/** Whether nothing listened: before the first connection a wrong address, after one a server that starts again. */
export function isRefusedConnection(error: unknown): boolean {
  return error instanceof Unreachable && codeOf(error.cause) === 'ECONNREFUSED'
}

function unreachable(url: URL, error: unknown): Unreachable {
  const code = codeOf(error)
  const known = networkErrors.get(code ?? '')
  const reason = known ? `${known} (${code})` : error instanceof Error ? error.message : String(error)
  return new Unreachable(`No answer from ${url.origin}: ${reason}.`, { cause: error })
}

/** The system's name of an error. A name with several addresses fails with one error for each. */
function codeOf(error: unknown): string | undefined {
  const { code, errors } = Object(error)
  return typeof code === 'string' ? code : Array.isArray(errors) ? codeOf(errors[0]) : undefined
}
