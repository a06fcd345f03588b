import { readCursor, writeCursor } from './cursor.ts'
import { describeEvent, type FileEvent, type Progress } from './file-event.ts'

// Server-sent events, as the HTML standard writes them (§9.2 of WHATWG HTML): blocks of `name: value` lines.

const encoder = new TextEncoder()

/** Keeps proxies from taking a quiet stream for a dead one; clients never see it. */
export const heartbeat = encoder.encode(':\n\n')

/** Tells a client after how many milliseconds to come back when its stream has ended. */
export function encodeRetry(milliseconds: number): Uint8Array {
  return encoder.encode(`retry: ${Math.round(milliseconds)}\n\n`)
}

/** An event of a file. Its id is where a client that comes back goes on. */
export function encodeEvent(event: FileEvent, domainId: string): Uint8Array {
  const data = JSON.stringify({ id: event.fileId, ...describeEvent(event) })
  return encoder.encode(`id: ${writeCursor(`${event.seq}/${domainId}`)}\ndata: ${data}\n\n`)
}

/** How far a file is. It has no id: nobody goes on from here. */
export function encodeProgress({ fileId, ...rest }: Progress): Uint8Array {
  return encoder.encode(`event: progress\ndata: ${JSON.stringify({ id: fileId, ...rest })}\n\n`)
}

/** Says that events are missing between the client's last one and the next: what it knows is to be read anew. */
export function encodeReset(reason: 'forgotten' | 'too-far-behind'): Uint8Array {
  return encoder.encode(`event: reset\ndata: ${JSON.stringify({ reason })}\n\n`)
}

/**
 * The place that an event's id stands for. An id is good in the domain that gave it out, and in no other: throws
 * `request-invalid`.
 */
export function readEventId(id: string, domainId: string): number {
  return readCursor(id, (place) => {
    const [seq, givenOutBy] = place.split('/')
    return seq && /^\d{1,15}$/.test(seq) && givenOutBy === domainId ? Number(seq) : undefined
  })
}
