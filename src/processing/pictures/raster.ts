import { Untellable } from '../bytes/byte-view.ts'
import type { BoundedBytes } from '../bytes/object-bytes.ts'
import { orientationOf } from './exif.ts'
import type { ImageHeader } from './header.ts'

/** Segments or chunks before the one that is looked for; more is no honest file. */
const maxChunks = 4096

/** JPEG (ITU-T T.81 annex B): the frame header says the size, an APP1 segment before it has the EXIF. */
export async function readJpeg(bytes: BoundedBytes): Promise<ImageHeader> {
  let orientation: number | undefined
  let at = 2
  for (let n = 0; n < maxChunks; n++) {
    const head = await bytes.view(at, 4)
    if (head.u8(0) !== 0xff) throw new Untellable('There is no marker.')
    const marker = head.u8(1)
    if (marker === 0xff) {
      at++ // Any marker may be preceded by fill bytes.
      continue
    }
    if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2 // These stand alone, without a length.
      continue
    }
    const length = head.u16(2)
    if (length < 2 || marker === 0xd9 || marker === 0xda) throw new Untellable('No frame header comes.')
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc
    if (isFrame) {
      const frame = await bytes.view(at + 4, 5)
      return { format: 'jpeg', width: frame.u16(3), height: frame.u16(1), orientation }
    }
    if (marker === 0xe1 && length > 8) {
      const segment = await bytes.view(at + 4, length - 2)
      if (segment.latin1(0, 6) === 'Exif\0\0') orientation ??= orientationOf(segment.part(6, segment.length - 6))
    }
    at += 2 + length
  }
  throw new Untellable('There are too many segments.')
}

/** PNG and APNG (W3C PNG, third edition): the header chunk, and what stands before the first image data. */
export async function readPng(bytes: BoundedBytes): Promise<ImageHeader> {
  const header = await bytes.view(0, 29)
  if (header.latin1(1, 3) !== 'PNG' || header.latin1(12, 4) !== 'IHDR')
    throw new Untellable('It does not begin as PNG does.')
  const size = { format: 'png', width: header.u32(16), height: header.u32(20) }
  let orientation: number | undefined
  let frames = 1
  let at = 33
  for (let n = 0; n < maxChunks; n++) {
    const head = await bytes.viewUpTo(at, 12)
    // An image that is cut before its data still has a size, but who knows what else would have come.
    if (head.length < 8) return { ...size, orientation }
    const [length, name] = [head.u32(0), head.latin1(4, 4)]
    if (name === 'IDAT' || name === 'IEND') return { ...size, orientation, frames }
    if (name === 'acTL' && head.length === 12) frames = head.u32(8)
    if (name === 'eXIf' && length <= 0x10000) orientation = orientationOf(await bytes.viewUpTo(at + 8, length))
    at += 12 + length
  }
  return { ...size, orientation }
}

/** WebP (RFC 9649): a simple file says its size in its one frame, an extended one in its first chunk. */
export async function readWebp(bytes: BoundedBytes): Promise<ImageHeader> {
  const header = await bytes.view(0, 30)
  switch (header.latin1(12, 4)) {
    case 'VP8 ': {
      if (header.u24(23) !== 0x9d012a) throw new Untellable('This is no key frame.')
      const [width, height] = [header.u16(26, true) & 0x3fff, header.u16(28, true) & 0x3fff]
      return { format: 'webp', width, height, frames: 1 }
    }
    case 'VP8L': {
      if (header.u8(20) !== 0x2f) throw new Untellable('The signature of lossless data is missing.')
      const bits = header.u32(21, true)
      return { format: 'webp', width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1, frames: 1 }
    }
    case 'VP8X': {
      const flags = header.u8(20)
      const size = { format: 'webp', width: header.u24(24, true) + 1, height: header.u24(27, true) + 1 }
      return { ...size, ...(await walkWebp(bytes, (flags & 0x02) !== 0)) }
    }
    default:
      throw new Untellable('This is no chunk of an image.')
  }
}

/** Counts the frames of an extended WebP and finds its EXIF, which stands behind them. */
async function walkWebp(
  bytes: BoundedBytes,
  isAnimated: boolean,
): Promise<{ orientation?: number | undefined; frames?: number | null }> {
  let frames = 0
  let orientation: number | undefined
  try {
    for (let at = 12; at + 8 <= bytes.size; ) {
      const head = await bytes.view(at, 8)
      const [name, length] = [head.latin1(0, 4), head.u32(4, true)]
      if (name === 'ANMF') frames++
      if (name === 'EXIF' && length <= 0x10000) {
        const exif = await bytes.view(at + 8, length)
        // Some writers put the prefix of JPEG's segment before it.
        const start = length > 6 && exif.latin1(0, 6) === 'Exif\0\0' ? 6 : 0
        orientation = orientationOf(exif.part(start, length - start))
      }
      at += 8 + length + (length % 2)
    }
  } catch (error) {
    // Too many frames to walk over: the flag alone says whether it moves.
    if (!(error instanceof Untellable)) throw error
    return isAnimated ? { orientation, frames: null } : { orientation, frames: 1 }
  }
  return { orientation, frames: isAnimated ? frames : 1 }
}

/** BMP: the header of OS/2 has 16 bits for each, that of Windows 32, a negative height for rows from the top. */
export async function readBmp(bytes: BoundedBytes): Promise<ImageHeader> {
  const header = await bytes.view(0, 26)
  const isOs2 = header.u32(14, true) === 12
  const width = isOs2 ? header.u16(18, true) : header.i32(18, true)
  const height = isOs2 ? header.u16(20, true) : Math.abs(header.i32(22, true))
  return { format: 'bmp', width, height, frames: 1 }
}
