import { type IncomingHttpHeaders, request } from 'node:http'
import { Failure } from './failure.ts'

export interface HttpCall {
  method?: string
  headers?: Record<string, string>
  body?: Iterable<Uint8Array> | AsyncIterable<Uint8Array>
  /** Told how many bytes of the body the socket has taken, after each chunk. */
  onSent?: (bytes: number) => void
  signal: AbortSignal
}

export interface HttpAnswer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
}

/**
 * Calls a server on this machine under any of its names. Node resolves no `*.localhost`, and its `fetch` ignores a
 * `host` header, so this connects to the loopback address and sends the URL's host as `Host`.
 * An error status is an answer. Throws a `Failure` when the connection breaks before one, and the signal's reason when
 * that aborts.
 */
export async function callLocal(url: URL, call: HttpCall): Promise<HttpAnswer> {
  try {
    return await exchange(url, call)
  } catch (error) {
    call.signal.throwIfAborted()
    const reason = error instanceof Error ? error.message : String(error)
    throw new Failure(`${call.method ?? 'GET'} ${url} got no answer: ${reason}`, { cause: error })
  }
}

async function exchange(url: URL, call: HttpCall): Promise<HttpAnswer> {
  const message = request({
    host: '127.0.0.1',
    port: url.port,
    path: url.pathname + url.search,
    method: call.method ?? 'GET',
    headers: { host: url.host, ...call.headers },
    agent: false,
    signal: call.signal,
  })
  const answer = new Promise<HttpAnswer>((resolve, reject) => {
    message.once('error', reject)
    message.once('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.once('error', reject)
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
      )
    })
  })
  // The answer may come, or the connection break, while the body is still being sent: whichever is first ends the wait.
  await Promise.race([answer, sendBody()])
  return answer

  async function sendBody() {
    for await (const chunk of call.body ?? []) {
      if (message.destroyed) return
      await new Promise<void>((resolve) => message.write(chunk, () => resolve()))
      call.onSent?.(chunk.byteLength)
    }
    message.end()
  }
}

/** The answer's body as JSON, or undefined when it is none. */
export function jsonOf(answer: HttpAnswer): unknown {
  try {
    return JSON.parse(answer.body.toString('utf8'))
  } catch {
    return undefined
  }
}

/** One line about an answer that was not expected: its status, and its problem document if it carries one. */
export function describeAnswer(answer: HttpAnswer): string {
  const { code, title, detail } = Object(jsonOf(answer))
  const problem = [code, detail ?? title].filter((it) => typeof it === 'string').join(': ')
  return `${answer.status} ${problem || answer.body.toString('utf8').slice(0, 200)}`.trim()
}
