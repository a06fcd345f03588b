import { expect } from 'vitest'
import { parseEvents, type StreamedEvent } from '../e2e/event-stream.ts'
import { eventually } from '../e2e/eventually.ts'
import { type Call, toWorker } from './client.ts'

/** A stream of server-sent events that a test reads as it arrives. */
export interface OpenStream {
  status: number
  headers: Headers
  /** Everything so far. */
  text(): string
  events(): StreamedEvent[]
  /** Waits until there are so many events. */
  until(count: number): Promise<StreamedEvent[]>
  /** Resolves when the server has ended it. */
  ended: Promise<void>
  leave(): Promise<void>
}

/** Opens an event stream, and reads it in the background. */
export async function follow(url: string, { headers = {}, key, send = toWorker }: Call = {}): Promise<OpenStream> {
  const all = key === undefined ? headers : { ...headers, authorization: `Bearer ${key}` }
  const response = await send(new Request(url, { headers: all }))
  const reader = response.body?.getReader()
  let text = ''
  const read = async () => {
    const decoder = new TextDecoder()
    for (;;) {
      const chunk = await reader?.read()
      if (!chunk || chunk.done) return
      text += decoder.decode(chunk.value, { stream: true })
    }
  }
  const ended = read()
  // Whether anybody waits for it or not.
  ended.catch(() => {})
  const events = () => parseEvents(text)
  return {
    status: response.status,
    headers: response.headers,
    text: () => text,
    events,
    until: (count) =>
      eventually(() => {
        expect(events().length).toBeGreaterThanOrEqual(count)
        return events()
      }, 10_000),
    ended,
    leave: async () => reader?.cancel(),
  }
}
