import { type IncomingHttpHeaders, request } from 'node:http'

/** One block of an event stream, as its lines say. */
export interface StreamedEvent {
  id?: string
  event?: string
  /** Parsed. */
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into events of any shape
  data: any
}

/** A stream of server-sent events, read over a connection of its own. */
export interface EventStream {
  status: number
  headers: IncomingHttpHeaders
  /** Everything that has arrived so far. */
  text(): string
  /** The whole blocks of it that have data. */
  events(): StreamedEvent[]
  /** Resolves when the server has ended it; rejects when the connection broke. */
  ended: Promise<void>
  /** Leaves. */
  close(): void
  /** Leaves at once, as when a machine loses its connection. */
  reset(): void
}

/** Opens an event stream on a loopback port, whatever name the Host header gives, and resolves with its head. */
export function openEventStream(
  port: number,
  target: string,
  { host = 'localhost', headers = {} }: { host?: string; headers?: Record<string, string> } = {},
): Promise<EventStream> {
  return new Promise((resolve, reject) => {
    const message = request(
      { host: '127.0.0.1', port, path: target, agent: false, headers: { host, ...headers } },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        const ended = new Promise<void>((end, fail) => {
          response.once('end', end)
          response.once('error', fail)
          response.once('close', () => fail(new Error('The stream broke off.')))
        })
        // Whether anybody waits for it or not.
        ended.catch(() => {})
        const text = () => Buffer.concat(chunks).toString('utf8')
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          events: () => parseEvents(text()),
          ended,
          close: () => message.destroy(),
          reset: () => message.socket?.resetAndDestroy(),
        })
      },
    )
    message.once('error', reject)
    message.end()
  })
}

/** The whole blocks of a stream that have data; what comes after the last empty line is not whole. */
export function parseEvents(text: string): StreamedEvent[] {
  return text
    .split('\n\n')
    .slice(0, -1)
    .flatMap((block) => {
      const fields = new Map<string, string>()
      for (const line of block.split('\n')) {
        const colon = line.indexOf(': ')
        if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 2))
      }
      const [id, event, data] = [fields.get('id'), fields.get('event'), fields.get('data')]
      if (data === undefined) return []
      return [
        { ...(id === undefined ? {} : { id }), ...(event === undefined ? {} : { event }), data: JSON.parse(data) },
      ]
    })
}
