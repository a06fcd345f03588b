import { encodeEvent, encodeReset, encodeRetry } from '../../core/event-stream.ts'
import type { FileEvent } from '../../core/file-event.ts'
import type { Log } from '../../core/ports.ts'

/** A client whose stream has ended comes back after this time; spread, so that not all come at once after a restart. */
const retryMs = { least: 1_000, most: 3_000 }

/** Missed events are read in pages of so many, the next one when the client has taken the last. */
export const replayPageEvents = 200

/** Where a client goes on, and what it has missed until then. */
export interface Replay {
  /** Why there is a gap before the first event; null when there is none. */
  gap: 'forgotten' | 'too-far-behind' | null
  /** The events after the one that was read last, oldest first, at most `replayPageEvents`. */
  readPage(afterSeq: number): Promise<FileEvent[]>
  /** Read already, so that what can't be read is refused before the stream begins. */
  first: FileEvent[]
  /** Whether the stream is over after the last missed event; null: there was none. */
  endsWith(last: FileEvent | null): boolean
}

export interface StreamParts {
  domainId: string
  log: Log
  /** 0 … 1. */
  random(): number
}

/**
 * The body of an event stream: what was missed, and then what happens, until `live` ends. `live` holds exactly what comes
 * after the last missed event. Whatever fails on the way ends the stream as it should end: the client comes back with the
 * id of the last event that it got.
 */
export function eventStream(
  { domainId, log, random }: StreamParts,
  replay: Replay,
  live: ReadableStream<Uint8Array> | null,
): ReadableStream<Uint8Array> {
  const missed = encodeMissed(domainId, replay)
  const reader = live?.getReader()
  let isLive = false
  const next = async (): Promise<Uint8Array | undefined> => {
    if (!isLive) {
      const page = await missed.next()
      if (!page.done) return page.value
      if (page.value === 'over') await reader?.cancel()
      isLive = true
    }
    return (await reader?.read())?.value
  }
  return new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(encodeRetry(retryMs.least + random() * (retryMs.most - retryMs.least))),
    pull: async (controller) => {
      try {
        const bytes = await next()
        if (bytes) controller.enqueue(bytes)
        else controller.close()
      } catch (error) {
        log('warn', 'event-stream-ended', { domainId, error })
        controller.close()
        await reader?.cancel().catch(() => {})
      }
    },
    cancel: (reason) => reader?.cancel(reason),
  })
}

/** What was missed, page by page, and whether the stream is over with it. */
async function* encodeMissed(domainId: string, replay: Replay): AsyncGenerator<Uint8Array, 'over' | 'live'> {
  if (replay.gap) yield encodeReset(replay.gap)
  let last: FileEvent | null = null
  for (let page = replay.first; page.length > 0; ) {
    yield concatenate(page.map((event) => encodeEvent(event, domainId)))
    last = page.at(-1) ?? null
    page = page.length < replayPageEvents || !last ? [] : await replay.readPage(last.seq)
  }
  return replay.endsWith(last) ? 'over' : 'live'
}

function concatenate(pieces: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.byteLength, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.byteLength
  }
  return whole
}
