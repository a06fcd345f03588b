import { type ByteView, Untellable } from '../bytes/byte-view.ts'

const orientationTag = 0x0112

/** A field of a TIFF directory that holds one whole number. */
export type TiffFields = ReadonlyMap<number, number>

/** Which way round the numbers of a TIFF are (TIFF 6.0 section 2). */
export function isLittleEndianTiff(header: ByteView): boolean {
  const order = header.latin1(0, 2)
  if (order !== 'II' && order !== 'MM') throw new Untellable('It has no byte order.')
  return order === 'II'
}

/** The fields of a TIFF directory that are one SHORT or LONG, by their tags; `entries` are its 12 bytes each. */
export function fieldsOf(entries: ByteView, littleEndian: boolean): TiffFields {
  const fields = new Map<number, number>()
  for (let at = 0; at + 12 <= entries.length; at += 12) {
    const [kind, count] = [entries.u16(at + 2, littleEndian), entries.u32(at + 4, littleEndian)]
    if (count !== 1 || (kind !== 3 && kind !== 4)) continue
    const value = kind === 3 ? entries.u16(at + 8, littleEndian) : entries.u32(at + 8, littleEndian)
    fields.set(entries.u16(at, littleEndian), value)
  }
  return fields
}

/** What EXIF data, a small TIFF, says about how the image is turned; undefined when it does not, or is damaged. */
export function orientationOf(exif: ByteView): number | undefined {
  try {
    const littleEndian = isLittleEndianTiff(exif)
    const directory = exif.u32(4, littleEndian)
    const count = exif.u16(directory, littleEndian)
    return validOrientation(fieldsOf(exif.part(directory + 2, count * 12), littleEndian))
  } catch (error) {
    if (error instanceof Untellable) return undefined
    throw error
  }
}

/** The orientation among these fields, if it is one that there is. */
export function validOrientation(fields: TiffFields): number | undefined {
  const value = fields.get(orientationTag)
  return value !== undefined && value >= 1 && value <= 8 ? value : undefined
}
