import { Buffer } from 'node:buffer'
import { type ByteView, bufferOf, Untellable } from '../bytes/byte-view.ts'
import type { BoundedBytes } from '../bytes/object-bytes.ts'
import type { Duration } from './duration.ts'

const pageMark = Buffer.from('OggS')
const pageHeaderBytes = 27
/** A page is at most 65,307 bytes long (RFC 3533 §6), so the last one begins in these. */
const lastPageBytes = 65_307

/**
 * Ogg with Vorbis, Opus, FLAC or Speex as its first stream: the position of its last page, in samples, of the stream's
 * rate. Where the last page belongs to another stream, as of a chain or beside video, there is nothing to tell.
 */
export async function oggDuration(bytes: BoundedBytes): Promise<Duration> {
  const head = await bytes.view(0, pageHeaderBytes)
  if (head.latin1(0, 4) !== 'OggS') throw new Untellable('This is no Ogg.')
  const serial = head.u32(14, true)
  const codec = codecOf(await bytes.viewUpTo(pageHeaderBytes + head.u8(26), 64))
  const position = await lastPosition(bytes, serial)
  return { seconds: Math.max(position - codec.skipped, 0) / codec.rate }
}

/** Samples a second, and how many are not played at the beginning. */
function codecOf(packet: ByteView): { rate: number; skipped: number } {
  const name = packet.latin1(0, Math.min(packet.length, 8))
  const codec = name.startsWith('\x01vorbis')
    ? { rate: packet.u32(12, true), skipped: 0 }
    : name === 'OpusHead'
      ? { rate: 48_000, skipped: packet.u16(10, true) }
      : name.startsWith('\x7fFLAC')
        ? { rate: packet.u24(27) >>> 4, skipped: 0 }
        : name === 'Speex   '
          ? { rate: packet.u32(36, true), skipped: 0 }
          : { rate: 0, skipped: 0 }
  if (codec.rate === 0) throw new Untellable('The rate of samples is not known.')
  return codec
}

async function lastPosition(bytes: BoundedBytes, serial: number): Promise<number> {
  const start = Math.max(bytes.size - lastPageBytes, 0)
  const tail = await bytes.view(start, bytes.size - start)
  const at = bufferOf(tail.bytes).lastIndexOf(pageMark)
  if (at < 0) throw new Untellable('There is no last page.')
  // A page on which no packet ends has no position: all ones.
  const [low, high] = [tail.u32(at + 6, true), tail.u32(at + 10, true)]
  if (tail.u32(at + 14, true) !== serial || high > 0x1fffff) throw new Untellable('The last page says nothing.')
  return high * 2 ** 32 + low
}
