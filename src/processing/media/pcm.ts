import { type ByteView, Untellable } from '../bytes/byte-view.ts'
import type { BoundedBytes } from '../bytes/object-bytes.ts'
import type { Duration } from './duration.ts'
import { id3Bytes } from './id3.ts'

const maxChunks = 1000
/** Samples as they are, as floats, and either of them described at more length. */
const uncompressed = new Set([1, 3, 0xfffe])

/**
 * WAV, and RF64 for what is larger than 4 GiB (EBU Tech 3306): the bytes of the samples and the bytes that a moment
 * takes, or for compressed sound the count in the fact chunk. Data that ends too early says nothing.
 */
export async function wavDuration(bytes: BoundedBytes): Promise<Duration> {
  const head = await bytes.view(0, 12)
  if (!/^(RIFF|RF64|BW64)$/.test(head.latin1(0, 4)) || head.latin1(8, 4) !== 'WAVE')
    throw new Untellable('This is no WAV.')
  let format: ByteView | undefined
  let longDataBytes: number | undefined
  let facts: number | undefined
  let at = 12
  for (let n = 0; n < maxChunks; n++) {
    const chunk = await bytes.view(at, 8)
    const [name, length] = [chunk.latin1(0, 4), chunk.u32(4, true)]
    if (name === 'fmt ') format = await bytes.view(at + 8, 16)
    else if (name === 'ds64') longDataBytes = (await bytes.view(at + 16, 8)).u64(0, true)
    else if (name === 'fact') facts = (await bytes.view(at + 8, 4)).u32(0, true)
    else if (name === 'data') {
      const dataBytes = length === 0xffffffff && longDataBytes !== undefined ? longDataBytes : length
      if (!format || at + 8 + dataBytes > bytes.size) throw new Untellable('The samples are cut.')
      return durationOf(format, dataBytes, facts)
    }
    at += 8 + length + (length % 2)
  }
  throw new Untellable('There are too many chunks.')
}

function durationOf(format: ByteView, dataBytes: number, samples: number | undefined): Duration {
  const [rate, blockBytes] = [format.u32(4, true), format.u16(12, true)]
  const count = uncompressed.has(format.u16(0, true)) ? dataBytes / blockBytes : samples
  if (count === undefined || rate === 0) throw new Untellable('Nobody counted the samples.')
  return { seconds: count / rate }
}

/** FLAC (RFC 9639 §8.2): the rate and the count of samples in its first block; a count of zero says nothing. */
export async function flacDuration(bytes: BoundedBytes): Promise<Duration> {
  const start = await id3Bytes(bytes)
  const head = await bytes.view(start, 26)
  if (head.latin1(0, 4) !== 'fLaC' || (head.u8(4) & 0x7f) !== 0) throw new Untellable('This is no FLAC.')
  const rate = head.u24(18) >>> 4
  const samples = (head.u8(21) & 0x0f) * 2 ** 32 + head.u32(22)
  if (rate === 0 || samples === 0) throw new Untellable('Nobody counted the samples.')
  return { seconds: samples / rate }
}
