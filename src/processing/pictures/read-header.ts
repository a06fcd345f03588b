import { imageSize } from 'image-size'
import type { ImageHeader } from './header.ts'

/**
 * What a picture's first bytes say of it, by the library that knows most formats; null when they are no picture's, or
 * damaged. Nothing is decoded. `format` is the library's word: `jpg`, `png`, `heic` …
 */
export function readHeader(head: Uint8Array): ImageHeader | null {
  try {
    const { type, width, height } = imageSize(head)
    // A header that is cut off before the size reads as zeros.
    return type !== undefined && width > 0 && height > 0 ? { format: type, width, height } : null
  } catch {
    // The library has no errors of its own: whatever it throws says that it could not read these bytes.
    return null
  }
}
