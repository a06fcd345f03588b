import { type ByteView, Untellable } from '../bytes/byte-view.ts'
import type { BoundedBytes } from '../bytes/object-bytes.ts'
import type { Duration } from './duration.ts'
import { id3Bytes } from './id3.ts'

/** Kilobits a second of layer III, by their number in a frame's header; of MPEG 1, and of MPEG 2 and 2.5. */
const bitRates = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320]
const lowBitRates = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160]
const sampleRates = [44_100, 48_000, 32_000]
/** So many frames in a row must have one bit rate for an estimate, or all there are. */
const framesCompared = 32

interface Frame {
  samples: number
  sampleRate: number
  bitRate: number
  bytes: number
  /** Where the tables of Xing begin, behind the side information. */
  tableAt: number
}

/**
 * MP3: the count of frames that an encoder has put into the first one (Xing, Info or VBRI). Without it, a file whose
 * first frames have one bit rate is taken to have it throughout: an estimate. Other layers are not looked at.
 */
export async function mp3Duration(bytes: BoundedBytes): Promise<Duration> {
  const start = await id3Bytes(bytes)
  const head = await bytes.viewUpTo(start, 64 * 1024)
  const first = frameAt(head, 0)
  const frames = countOf(head, first)
  if (frames !== null) return { seconds: (frames * first.samples) / first.sampleRate }
  requireOneBitRate(head, first, start + head.length === bytes.size)
  const end = bytes.size - (await id3v1Bytes(bytes))
  return { seconds: (end - start) / (first.bitRate / 8), isEstimated: true }
}

/** The header of a frame of layer III (ISO/IEC 11172-3 §2.4.1.3). */
function frameAt(head: ByteView, at: number): Frame {
  const header = head.u32(at)
  const version = (header >>> 19) & 3
  const [rateNumber, sampleNumber] = [(header >>> 12) & 15, (header >>> 10) & 3]
  const isLayer3 = header >>> 21 === 0x7ff && version !== 1 && ((header >>> 17) & 3) === 1
  if (!isLayer3 || rateNumber === 0 || rateNumber === 15 || sampleNumber === 3)
    throw new Untellable('This is no frame.')
  const isFull = version === 3
  const sampleRate = (sampleRates[sampleNumber] as number) / (isFull ? 1 : version === 2 ? 2 : 4)
  const bitRate = ((isFull ? bitRates : lowBitRates)[rateNumber] as number) * 1000
  const samples = isFull ? 1152 : 576
  const isMono = ((header >>> 6) & 3) === 3
  return {
    samples,
    sampleRate,
    bitRate,
    bytes: Math.floor(((samples / 8) * bitRate) / sampleRate) + ((header >>> 9) & 1),
    tableAt: 4 + (isFull ? (isMono ? 17 : 32) : isMono ? 9 : 17),
  }
}

/** How many frames the tables in the first one say there are; null when there are none, or they do not say. */
function countOf(head: ByteView, { tableAt }: Frame): number | null {
  if (head.length >= tableAt + 12 && /^(Xing|Info)$/.test(head.latin1(tableAt, 4))) {
    const hasCount = (head.u32(tableAt + 4) & 1) === 1
    return (hasCount && head.u32(tableAt + 8)) || null
  }
  if (head.length >= 54 && head.latin1(36, 4) === 'VBRI') return head.u32(50) || null
  return null
}

function requireOneBitRate(head: ByteView, first: Frame, isWhole: boolean): void {
  let at = first.bytes
  for (let n = 1; n < framesCompared; n++) {
    if (isWhole && n > 1 && (at + 4 > head.length || head.latin1(at, 3) === 'TAG')) return
    const frame = frameAt(head, at)
    if (frame.bitRate !== first.bitRate || frame.sampleRate !== first.sampleRate)
      throw new Untellable('The bit rate varies.')
    at += frame.bytes
  }
}

async function id3v1Bytes(bytes: BoundedBytes): Promise<number> {
  if (bytes.size < 128) return 0
  return (await bytes.view(bytes.size - 128, 3)).latin1(0, 3) === 'TAG' ? 128 : 0
}
