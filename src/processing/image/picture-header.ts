import { imageSize } from 'image-size'
import type { PictureType } from '../../core/ports.ts'

/** A picture tells its size at its beginning, after previews and colour profiles. */
export const headerBytes = 1024 * 1024

export interface PictureHeader {
  /** As the header library calls it: `jpg`, `png`, `heic` … */
  format: string
  /** Pixels, as they lie in the file: a photograph may be meant to be turned. */
  width: number
  height: number
}

/** What a picture's first bytes say of it; null when they are no picture's, or damaged. Nothing is decoded. */
export function readPictureHeader(head: Uint8Array): PictureHeader | null {
  try {
    const { type, width, height } = imageSize(head)
    // A header that is cut off before the size reads as zeros.
    return type !== undefined && width > 0 && height > 0 ? { format: type, width, height } : null
  } catch {
    return null
  }
}

const types: ReadonlyMap<string, PictureType> = new Map([
  ['jpg', 'image/jpeg'],
  ['png', 'image/png'],
  ['webp', 'image/webp'],
  ['avif', 'image/avif'],
])

/** Which of the types that variants have this header is of; undefined for any other. */
export function typeOfHeader({ format }: PictureHeader): PictureType | undefined {
  return types.get(format)
}
