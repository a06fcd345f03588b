import { type EventStream, openEventStream, parseEvents, type StreamedEvent } from './event-stream.ts'
import { eventually } from './eventually.ts'

/** What one connection brought before it ended, or was cut off within any byte. */
export interface Piece {
  status: number
  events: StreamedEvent[]
  /** Whether the server ended it, and not the cut. */
  isOver: boolean
}

/** Reads a stream and cuts the connection as soon as so many bytes have come; what came beyond them is not counted. */
export async function readAndCut(
  port: number,
  target: string,
  headers: Record<string, string>,
  afterBytes: number,
): Promise<Piece> {
  const stream = await openEventStream(port, target, { headers })
  let isOver = false
  stream.ended.then(
    () => {
      isOver = true
    },
    () => {},
  )
  const bytes = () => Buffer.byteLength(stream.text())
  await eventually(() => {
    if (!isOver && bytes() < afterBytes) throw new Error(`Only ${bytes()} of ${afterBytes} bytes came.`)
  })
  stream.close()
  return {
    status: stream.status,
    events: parseEvents(upTo(stream, afterBytes)),
    isOver: isOver && bytes() <= afterBytes,
  }
}

function upTo(stream: EventStream, bytes: number): string {
  return Buffer.from(stream.text()).subarray(0, bytes).toString('utf8')
}

/**
 * `fetch` for an EventSource, whose answers break off after as many bytes as `nextCut` says, in order or with an error.
 * They also tell the client to come back after 1 ms: the wait, without the waiting.
 */
export function cuttingFetch(headers: Record<string, string>, nextCut: () => { afterBytes: number; isClean: boolean }) {
  return async (url: string | URL, init: { headers: Record<string, string>; signal?: AbortSignal }) => {
    const answer = await fetch(url, { ...init, headers: { ...init.headers, ...headers } } as RequestInit)
    const { afterBytes, isClean } = nextCut()
    let left = afterBytes
    const body = answer.body?.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          const text = Buffer.from(chunk).toString('latin1')
          const bytes = Buffer.from(text.replace(/^retry: \d+/, 'retry: 1'), 'latin1').subarray(0, left)
          left -= bytes.byteLength
          controller.enqueue(new Uint8Array(bytes))
          if (left > 0) return
          if (isClean) controller.terminate()
          else controller.error(new Error('cut'))
        },
      }),
    )
    return {
      body: body ?? null,
      url: answer.url,
      status: answer.status,
      redirected: answer.redirected,
      headers: answer.headers,
    }
  }
}
