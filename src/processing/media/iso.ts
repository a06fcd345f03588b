import { type ByteView, Untellable } from '../bytes/byte-view.ts'
import { boxesIn, findBox } from '../bytes/iso-boxes.ts'
import type { BoundedBytes } from '../bytes/object-bytes.ts'
import type { Duration } from './duration.ts'

/**
 * MP4, QuickTime and 3GPP: the movie header (ISO/IEC 14496-12 §8.2.2), wherever it stands. A file of fragments says
 * nothing there, and perhaps in the header of its extension (§8.8.2).
 */
export async function isoDuration(bytes: BoundedBytes): Promise<Duration> {
  const moov = await findBox(boxesIn(bytes, 0, bytes.size), 'moov')
  const mvhd = moov && (await findBox(boxesIn(bytes, moov.start, moov.end), 'mvhd'))
  if (!moov || !mvhd) throw new Untellable('It has no movie header.')
  const header = await bytes.view(mvhd.start, Math.min(mvhd.end - mvhd.start, 32))
  const isLong = header.u8(0) === 1
  const timescale = header.u32(isLong ? 20 : 12)
  const units = durationAt(header, isLong ? 24 : 16, isLong) ?? (await fragmentsDuration(bytes, moov.start, moov.end))
  if (timescale === 0 || units === null) throw new Untellable('The header does not say how long it is.')
  return { seconds: units / timescale }
}

async function fragmentsDuration(bytes: BoundedBytes, start: number, end: number): Promise<number | null> {
  const mvex = await findBox(boxesIn(bytes, start, end), 'mvex')
  const mehd = mvex && (await findBox(boxesIn(bytes, mvex.start, mvex.end), 'mehd'))
  if (!mehd) return null
  const header = await bytes.view(mehd.start, Math.min(mehd.end - mehd.start, 12))
  const isLong = header.u8(0) === 1
  return durationAt(header, 4, isLong)
}

/** A duration of 32 or 64 bits; null when it is zero or all ones, which says that it is not known. */
function durationAt(header: ByteView, at: number, isLong: boolean): number | null {
  if (isLong && header.u32(at) === 0xffffffff) return null
  const units = isLong ? header.u64(at) : header.u32(at)
  return units === 0 || (!isLong && units === 0xffffffff) ? null : units
}
