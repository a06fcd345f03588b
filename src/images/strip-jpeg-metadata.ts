const startOfScan = 0xda

/** Segments that a decoder needs or that change how colours look: JFIF (APP0), the ICC profile (APP2), Adobe's (APP14). */
const keptApplicationSegments: ReadonlySet<number> = new Set([0xe0, 0xe2, 0xee])

/**
 * A JPEG without its metadata: EXIF, XMP, IPTC and comments. What stands from the first scan on is kept as it is; so is
 * everything from where the bytes are no well-formed segment.
 */
export function stripJpegMetadata(jpeg: Uint8Array): Uint8Array {
  const view = new DataView(jpeg.buffer, jpeg.byteOffset, jpeg.byteLength)
  const kept = new Uint8Array(jpeg.length)
  let length = 0
  const keep = (from: number, to: number) => {
    kept.set(jpeg.subarray(from, to), length)
    length += to - from
  }
  let at = Math.min(2, jpeg.length)
  keep(0, at)
  while (at + 4 <= jpeg.length && jpeg[at] === 0xff && jpeg[at + 1] !== startOfScan) {
    if (jpeg[at + 1] === 0xff) {
      // A byte that only fills (ITU-T T.81 §B.1.1.2).
      at++
      continue
    }
    const end = at + 2 + view.getUint16(at + 2)
    if (end > jpeg.length) break
    if (!isMetadata(jpeg[at + 1] as number)) keep(at, end)
    at = end
  }
  keep(at, jpeg.length)
  return kept.subarray(0, length)
}

function isMetadata(marker: number): boolean {
  const isApplicationSegment = marker >= 0xe0 && marker <= 0xef
  return marker === 0xfe || (isApplicationSegment && !keptApplicationSegments.has(marker))
}
