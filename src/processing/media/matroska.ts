import { type ByteView, Untellable } from '../bytes/byte-view.ts'
import type { BoundedBytes } from '../bytes/object-bytes.ts'
import type { Duration } from './duration.ts'

const ids = { header: 0x1a45dfa3, segment: 0x18538067, info: 0x1549a966, timestampScale: 0x2ad7b1, duration: 0x4489 }
const maxElements = 1000
const maxInfoBytes = 64 * 1024
/** What a timestamp is when the file does not say: a million nanoseconds. */
const defaultScale = 1_000_000

interface Element {
  id: number
  start: number
  end: number
}

/** WebM and Matroska (RFC 9559 §5.1.2): the duration in the segment's information. What was streamed live has none. */
export async function matroskaDuration(bytes: BoundedBytes): Promise<Duration> {
  const header = await elementAt(bytes, 0, bytes.size)
  if (header.id !== ids.header) throw new Untellable('This is no EBML.')
  const segment = await findIn(bytes, header.end, bytes.size, ids.segment)
  const info = await findIn(bytes, segment.start, segment.end, ids.info)
  const fields = await bytes.view(info.start, Math.min(info.end - info.start, maxInfoBytes))
  let [scale, duration] = [defaultScale, Number.NaN]
  for (let at = 0; at < fields.length; ) {
    const field = elementIn(fields, at, fields.length)
    const value = fields.part(field.start, field.end - field.start)
    if (field.id === ids.timestampScale) scale = unsigned(value)
    if (field.id === ids.duration) duration = value.length === 4 ? value.f32(0) : value.f64(0)
    at = field.end
  }
  if (Number.isNaN(duration)) throw new Untellable('It has no duration.')
  return { seconds: (duration * scale) / 1e9 }
}

async function findIn(bytes: BoundedBytes, start: number, end: number, id: number): Promise<Element> {
  let at = start
  for (let n = 0; n < maxElements && at < end; n++) {
    const element = await elementAt(bytes, at, end)
    if (element.id === id) return element
    at = element.end
  }
  throw new Untellable('An element is missing.')
}

async function elementAt(bytes: BoundedBytes, at: number, limit: number): Promise<Element> {
  const { id, start, end } = elementIn(await bytes.viewUpTo(at, 12), 0, limit - at)
  return { id, start: at + start, end: at + end }
}

/** The element at this place (RFC 8794 §4 to §6). One of unknown size, all ones, goes on to the limit. */
function elementIn(view: ByteView, at: number, limit: number): Element {
  const idBytes = Math.clz32(view.u8(at)) - 23
  if (idBytes > 4) throw new Untellable('This is no id.')
  const id = unsigned(view.part(at, idBytes))
  const sizeAt = at + idBytes
  const sizeBytes = Math.clz32(view.u8(sizeAt)) - 23
  if (sizeBytes > 8) throw new Untellable('This is no size.')
  let size = view.u8(sizeAt) & (0xff >> sizeBytes)
  let isUnknown = size === 0xff >> sizeBytes
  for (let n = 1; n < sizeBytes; n++) {
    const byte = view.u8(sizeAt + n)
    size = size * 256 + byte
    isUnknown &&= byte === 0xff
  }
  const start = sizeAt + sizeBytes
  return { id, start, end: isUnknown ? limit : Math.min(start + size, limit) }
}

function unsigned(view: ByteView): number {
  return view.bytes.reduce((sum, byte) => sum * 256 + byte, 0)
}
