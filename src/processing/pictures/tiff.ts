import { Untellable } from '../bytes/byte-view.ts'
import type { BoundedBytes } from '../bytes/object-bytes.ts'
import { fieldsOf, isLittleEndianTiff, validOrientation } from './exif.ts'
import type { ImageHeader } from './header.ts'

/** TIFF 6.0: the first directory says the size, and may stand anywhere. BigTIFF is not read. */
export async function readTiff(bytes: BoundedBytes): Promise<ImageHeader> {
  const header = await bytes.view(0, 8)
  const littleEndian = isLittleEndianTiff(header)
  if (header.u16(2, littleEndian) !== 42) throw new Untellable('This is another kind of TIFF.')
  const directory = header.u32(4, littleEndian)
  const count = (await bytes.view(directory, 2)).u16(0, littleEndian)
  const fields = fieldsOf(await bytes.view(directory + 2, count * 12), littleEndian)
  return {
    format: 'tiff',
    width: fields.get(256) ?? 0,
    height: fields.get(257) ?? 0,
    orientation: validOrientation(fields),
  }
}
