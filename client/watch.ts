import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { sleep } from './retry.ts'
import type { Transport } from './transport.ts'
import type { FileStatus, StreamedEvent, StreamedProgress, StreamedReset } from './types.ts'

/**
 * What is told while it happens. An event has the `eventId` from which another watch can go on; `progress` is told to who
 * is there, and lost for who is not; `reset` says that events are missing before the next one.
 */
export type WatchedEvent =
  | (StreamedEvent & { eventId: string })
  | (StreamedProgress & { type: 'progress' })
  | (StreamedReset & { type: 'reset' })

export interface WatchOptions {
  /** The `eventId` of the last event that is known: what came after it follows. */
  lastEventId?: string | undefined
  signal?: AbortSignal | undefined
}

export interface WatchAllOptions extends WatchOptions {
  /** Events of these statuses only. */
  statuses?: readonly FileStatus[] | undefined
}

export interface Watched {
  path: string
  query?: Record<string, string | undefined>
  credential?: string | undefined
  /** Of one upload: the watch ends with it. */
  endsWithUpload: boolean
}

/** The server sends a comment every 15 s: a stream that is silent for so long is dead. */
const silenceMs = 45_000
/** Unless the server says another. */
const defaultReturnMs = 2_000

const finalStatuses: readonly FileStatus[] = ['complete', 'failed', 'quarantined', 'deleted']

/**
 * Follows a stream of events, over as many connections as it takes: each goes on after the last event of the one before
 * it. The first connection throws as `Transport.request` does; a later one only what coming back does not help against.
 */
export async function* watch(
  transport: Transport,
  { path, query, credential, endsWithUpload }: Watched,
  { lastEventId, signal }: WatchOptions,
): AsyncGenerator<WatchedEvent, void, undefined> {
  let eventId = lastEventId
  let last: FileStatus | undefined
  let askedAfter: string | undefined
  let returnMs = defaultReturnMs
  for (let isFirst = true; ; isFirst = false) {
    const connection = new AbortController()
    const headers = { accept: 'text/event-stream', 'last-event-id': eventId }
    const signals = signal ? AbortSignal.any([signal, connection.signal]) : connection.signal
    const retries = isFirst ? undefined : Number.POSITIVE_INFINITY
    try {
      const response = await transport.request('GET', path, { query, headers, credential, signal: signals, retries })
      if (response.status === 204 || !response.body) return
      for await (const message of readMessages(response.body, connection)) {
        if ('retryMs' in message) {
          returnMs = message.retryMs
          continue
        }
        const event = readEvent(message)
        if ('eventId' in event) {
          eventId = event.eventId
          last = event.status
        }
        yield event
        // Its address answers 410 from now on.
        if (endsWithUpload && last === 'deleted') return
      }
    } finally {
      connection.abort()
    }
    signal?.throwIfAborted()
    // Only the server knows whether this was the upload's last event: who asks is told at once when it was.
    const mayBeOver = endsWithUpload && last !== undefined && finalStatuses.includes(last)
    if (mayBeOver && askedAfter !== eventId) askedAfter = eventId
    else await sleep(returnMs, signal)
  }
}

function readEvent({ id = '', event, data }: EventSourceMessage): WatchedEvent {
  const value = JSON.parse(data)
  return event === 'progress' || event === 'reset' ? { ...value, type: event } : { ...value, eventId: id }
}

/** The messages of one connection until it ends, in whatever way. */
async function* readMessages(
  body: ReadableStream<Uint8Array>,
  connection: AbortController,
): AsyncGenerator<EventSourceMessage | { retryMs: number }> {
  const queue: (EventSourceMessage | { retryMs: number })[] = []
  const parser = createParser({
    onEvent: (message) => queue.push(message),
    onRetry: (retryMs) => queue.push({ retryMs }),
  })
  const decoder = new TextDecoder()
  const reader = body.getReader()
  try {
    for (;;) {
      const watchdog = setTimeout(() => connection.abort(), silenceMs)
      // A connection that breaks is one that has ended.
      const chunk = await reader.read().catch(() => undefined)
      clearTimeout(watchdog)
      if (!chunk?.value) return
      parser.feed(decoder.decode(chunk.value, { stream: true }))
      yield* queue.splice(0)
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}
