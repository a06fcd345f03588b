import { Buffer } from 'node:buffer'
import { imageSize } from 'image-size'
import { jpeg } from './samples.ts'

/** What a picture's own bytes say it is. */
export function pictureOf(bytes: Uint8Array) {
  const { type, width, height } = imageSize(bytes)
  return { type, width, height }
}

/** What the photographer would rather not tell; none of it may be in a variant. */
export const secrets = ['Ada Photographer', 'Copyright Holder', 'private remark', 'xmp-secret', 'iptc-secret']

/** The JPEG of the samples, 8 × 6 pixels, to be turned by a quarter, with all the metadata that a camera or a program adds. */
export function photograph(): Buffer {
  return Buffer.concat([
    jpeg.subarray(0, 2),
    segment(0xe1, Buffer.concat([Buffer.from('Exif\0\0'), exif()])),
    segment(
      0xe1,
      Buffer.from('http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x="adobe:ns:meta/">xmp-secret</x:xmpmeta>'),
    ),
    segment(0xed, Buffer.from('Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x10\x1c\x02\x74\0\x0biptc-secret')),
    segment(0xfe, Buffer.from('private remark')),
    jpeg.subarray(2),
  ])
}

function segment(marker: number, data: Uint8Array): Buffer {
  const head = Buffer.from([0xff, marker, 0, 0])
  head.writeUInt16BE(data.length + 2, 2)
  return Buffer.concat([head, data])
}

/** EXIF with a quarter turn, an artist, a copyright notice, and a place on Earth. */
function exif(): Buffer {
  const artist = Buffer.from('Ada Photographer\0')
  const notice = Buffer.from('Copyright Holder\0')
  const entries = 4
  const textsAt = 8 + 2 + entries * 12 + 4
  const gpsAt = textsAt + artist.length + notice.length
  const body = Buffer.alloc(gpsAt + 2 + 12 + 4)
  body.write('MM\0*', 0, 'latin1')
  body.writeUInt32BE(8, 4)
  body.writeUInt16BE(entries, 8)
  const entry = (index: number, tag: number, type: number, count: number, value: number, at = 10 + index * 12) => {
    body.writeUInt16BE(tag, at)
    body.writeUInt16BE(type, at + 2)
    body.writeUInt32BE(count, at + 4)
    if (type === 3) body.writeUInt16BE(value, at + 8)
    else body.writeUInt32BE(value, at + 8)
  }
  entry(0, 0x0112, 3, 1, 6)
  entry(1, 0x013b, 2, artist.length, textsAt)
  entry(2, 0x8298, 2, notice.length, textsAt + artist.length)
  entry(3, 0x8825, 4, 1, gpsAt)
  artist.copy(body, textsAt)
  notice.copy(body, textsAt + artist.length)
  body.writeUInt16BE(1, gpsAt)
  entry(0, 0x0001, 2, 2, 0x4e000000, gpsAt + 2)
  return body
}
