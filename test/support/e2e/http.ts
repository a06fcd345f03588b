import { type IncomingHttpHeaders, request } from 'node:http'

export interface Call {
  /** The Host header; the apex host unless given. */
  host?: string
  headers?: Record<string, string>
  /** A buffer is sent with its length, an iterable of pieces chunked. */
  body?: Uint8Array | string | AsyncIterable<Uint8Array> | Iterable<Uint8Array>
}

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
  /** The body as JSON; throws when it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into answers of any shape
  json(): any
}

/** One request on a connection of its own to a port on loopback, whatever name the Host header gives. */
export function call(
  port: number,
  method: string,
  target: string,
  { host, headers, body }: Call = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const message = request(
      {
        host: '127.0.0.1',
        port,
        method,
        path: target,
        agent: false,
        headers: { host: host ?? 'localhost', ...headers },
      },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.once('error', reject)
        response.once('end', () => resolve(answerOf(response.statusCode ?? 0, response.headers, Buffer.concat(chunks))))
      },
    )
    message.once('error', reject)
    if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) message.end(body)
    else sendPieces(body).catch(reject)

    async function sendPieces(pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
      for await (const piece of pieces) {
        if (message.destroyed) return
        await new Promise<void>((resume) => message.write(piece, () => resume()))
      }
      message.end()
    }
  })
}

export function answerOf(status: number, headers: IncomingHttpHeaders, body: Buffer): Answer {
  return { status, headers, body, json: () => JSON.parse(body.toString('utf8')) }
}

/** `fetch` for a server on a loopback port that is called by another name: the URL's host becomes the Host header. */
export function fetchThrough(port: () => number) {
  return async (
    url: string,
    init: { method: string; headers: Record<string, string>; body?: Uint8Array<ArrayBuffer> },
  ) => {
    const { host, pathname, search } = new URL(url)
    const { status, headers, body } = await call(port(), init.method, pathname + search, {
      host,
      headers: init.headers,
      ...(init.body ? { body: init.body } : {}),
    })
    const pairs = Object.entries(headers).map(([name, value]): [string, string] => [name, String(value)])
    return { status, headers: pairs, arrayBuffer: async () => new Uint8Array(body).buffer }
  }
}
