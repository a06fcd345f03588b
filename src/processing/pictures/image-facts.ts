import { tellOrNothing, Untellable } from '../bytes/byte-view.ts'
import type { BoundedBytes } from '../bytes/object-bytes.ts'
import type { ImageFacts } from '../inspect-facts.ts'
import type { ImageHeader } from './header.ts'
import { readHeif } from './heif.ts'
import { readBmp, readJpeg, readPng, readWebp } from './raster.ts'
import { readHeader } from './read-header.ts'
import { readSvg } from './svg.ts'
import { readTiff } from './tiff.ts'

const readers = new Map<string, (bytes: BoundedBytes) => Promise<ImageHeader>>([
  ['image/jpeg', readJpeg],
  ['image/png', readPng],
  ['image/apng', readPng],
  ['image/webp', readWebp],
  ['image/bmp', readBmp],
  ['image/tiff', readTiff],
  ['image/svg+xml', readSvg],
  ...['avif', 'heic', 'heif', 'heic-sequence', 'heif-sequence'].map((name) => [`image/${name}`, readHeif] as const),
])

/** Which kinds the library reads of those that are rarer: from small headers, without a search that could take long. */
const rareTypes = new Set(['image/x-icon', 'image/icns', 'image/vnd.adobe.photoshop', 'image/jp2', 'image/jxl'])
const rareHeaderBytes = 64 * 1024

/** What an image of this media type says about itself, GIF aside, which says it over all its bytes. */
export async function imageFacts(type: string, bytes: BoundedBytes): Promise<ImageFacts | undefined> {
  const read = readers.get(type) ?? (rareTypes.has(type) ? readRare : undefined)
  return read && factsOf(await tellOrNothing(() => read(bytes)))
}

/** What is recorded of a header; nothing when it gives no size. */
export function factsOf(header: ImageHeader | undefined): ImageFacts | undefined {
  if (!header || !isSize(header.width) || !isSize(header.height)) return undefined
  const { format, width, height, orientation, frames } = header
  const isTurned = orientation !== undefined && orientation >= 5
  return {
    format,
    width,
    height,
    ...(orientation === undefined ? {} : { orientation }),
    displayWidth: isTurned ? height : width,
    displayHeight: isTurned ? width : height,
    ...(frames === undefined ? {} : { animated: frames === null || frames > 1 }),
    ...(typeof frames === 'number' ? { frames } : {}),
  }
}

const isSize = (pixels: number) => Number.isSafeInteger(pixels) && pixels > 0

async function readRare(bytes: BoundedBytes): Promise<ImageHeader> {
  const head = await bytes.viewUpTo(0, rareHeaderBytes)
  const header = readHeader(head.bytes)
  if (!header) throw new Untellable('The library knows no size.')
  return header
}
