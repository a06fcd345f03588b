import { Buffer } from 'node:buffer'
import { crc32, deflateSync } from 'node:zlib'

/** Small files that are what they say, made here so that a reader sees what is in them. */

export const text = Buffer.from('Freight rates for May: Grüße aus Łódź, 日本 and 🚢.\n')
/** A euro sign and umlauts as older programs of Windows write them: no UTF-8. */
export const windows1252 = Buffer.from('box;f\xfcr;price\r\n1;K\xf6ln;20 \x80\r\n', 'latin1')
export const html = Buffer.from('<!DOCTYPE html><html><body><script>alert(1)</script></body></html>')
export const svg = Buffer.from(
  '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"><script>alert(1)</script></svg>\n',
)
export const xml = Buffer.from('<?xml version="1.0" encoding="UTF-8"?>\n<manifest><box id="1"/></manifest>\n')
export const json = Buffer.from('{"boxes":[1,2,3]}')
export const pdf = Buffer.from('%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n')
export const exe = Buffer.concat([Buffer.from('MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff', 'latin1'), Buffer.alloc(100)])

/** 8 × 6 pixels. */
export const jpeg = Buffer.from(
  '/9j/4AAQSkZJRgABAgAAAQABAAD/2wBDAAg+Pkk+SVVVVVVVVWRdZGhoaGRkZGRoaGhwcHCDg4NwcHBoaHBwfHyDg4+Tj4eHg4eTk5ubm7q6srLZ2eD/////xABMAAEBAAAAAAAAAAAAAAAAAAAABwEBAQAAAAAAAAAAAAAAAAAABQcQAQAAAAAAAAAAAAAAAAAAAAARAQAAAAAAAAAAAAAAAAAAAAD/wAARCAAGAAgDASIAAhEAAxEA/9oADAMBAAIRAxEAPwCOAL+Lf//Z',
  'base64',
)
/** 8 × 6 pixels. */
export const webp = Buffer.from(
  'UklGRjYAAABXRUJQVlA4ICoAAABwAQCdASoIAAYAA8BmJaACdAFAAAD+8LA3/0mz/+k2f/0mz5JFJdLi0AA=',
  'base64',
)
/** One pixel on a screen of 3 × 2. */
export const gif = Buffer.from('47494638396103000200800000ff00000000002c00000000010001000002024401003b', 'hex')

/** A grey image of this size. */
export function png(width: number, height: number): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header[8] = 8
  const rows = Buffer.alloc(height * (width + 1), 0x7f)
  for (let row = 0; row < height; row++) rows[row * (width + 1)] = 0
  const chunk = (name: string, data: Uint8Array) => {
    const body = Buffer.concat([Buffer.from(name), data])
    const frame = Buffer.alloc(8)
    frame.writeUInt32BE(data.length, 0)
    frame.writeUInt32BE(crc32(body), 4)
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)])
  }
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

/** An archive of uncompressed entries. */
export function zip(entries: Record<string, string>): Buffer {
  const files: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const [name, content] of Object.entries(entries)) {
    const data = Buffer.from(content)
    const common = Buffer.alloc(26)
    common.writeUInt16LE(20, 0)
    common.writeUInt32LE(crc32(data), 10)
    common.writeUInt32LE(data.length, 14)
    common.writeUInt32LE(data.length, 18)
    common.writeUInt16LE(name.length, 22)
    const file = Buffer.concat([Buffer.from('PK\x03\x04'), common, Buffer.from(name), data])
    const place = Buffer.alloc(14)
    place.writeUInt32LE(offset, 10)
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\0'), common, place, Buffer.from(name)]))
    files.push(file)
    offset += file.length
  }
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06')
  end.writeUInt16LE(files.length, 8)
  end.writeUInt16LE(files.length, 10)
  end.writeUInt32LE(Buffer.concat(directory).length, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...files, ...directory, end])
}

export const archive = zip({ 'manifest.txt': 'one box\n', 'notes/readme.txt': 'handle with care\n' })

export const docx = zip({
  '[Content_Types].xml':
    '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>',
  '_rels/.rels': '<?xml version="1.0"?><Relationships/>',
  'word/document.xml': '<?xml version="1.0"?><w:document/>',
})
export const docxType = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document'

/** The two boxes that every MP4 begins with, and some of its media data. */
export const mp4 = Buffer.concat([
  Buffer.from('\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41', 'latin1'),
  Buffer.from('\0\0\0\x08free', 'latin1'),
  Buffer.from('\0\0\0\x10mdat\0\0\0\0\0\0\0\0', 'latin1'),
])
