import { Buffer } from 'node:buffer'
import { describe, expect, test } from 'vitest'
import { factsOf, inspected, SparseObject } from '../support/workers/inspected.ts'
import * as media from '../support/workers/media-samples.ts'
import * as samples from '../support/workers/samples.ts'

/** EXIF data that says only how the image is turned. */
function exif(orientation: number, order: 'II' | 'MM' = 'MM'): Buffer {
  const [u16, u32] =
    order === 'II' ? (['writeUInt16LE', 'writeUInt32LE'] as const) : (['writeUInt16BE', 'writeUInt32BE'] as const)
  const data = Buffer.alloc(26)
  data.write(order)
  data[u16](42, 2)
  data[u32](8, 4)
  data[u16](1, 8)
  data[u16](0x0112, 10)
  data[u16](3, 12)
  data[u32](1, 14)
  data[u16](orientation, 18)
  return data
}

function jpegSegment(marker: number, content: Uint8Array): Buffer {
  const head = Buffer.from([0xff, marker, 0, 0])
  head.writeUInt16BE(content.length + 2, 2)
  return Buffer.concat([head, content])
}

function jpegWith(...segments: Uint8Array[]): Buffer {
  return Buffer.concat([samples.jpeg.subarray(0, 2), ...segments, samples.jpeg.subarray(2)])
}

const exifSegment = (orientation: number) =>
  jpegSegment(0xe1, Buffer.concat([Buffer.from('Exif\0\0'), exif(orientation)]))

function pngChunk(name: string, data: Uint8Array): Buffer {
  const chunk = Buffer.concat([Buffer.alloc(4), Buffer.from(name), data, Buffer.alloc(4)])
  chunk.writeUInt32BE(data.length)
  return chunk
}

function pngWith(...chunks: Uint8Array[]): Buffer {
  const plain = samples.png(31, 17)
  return Buffer.concat([plain.subarray(0, 33), ...chunks, plain.subarray(33)])
}

function bmp(width: number, height: number): Buffer {
  const header = Buffer.alloc(54)
  header.write('BM')
  header.writeUInt32LE(40, 14)
  header.writeInt32LE(width, 18)
  header.writeInt32LE(height, 22)
  return header
}

function box(type: string, ...content: Uint8Array[]): Buffer {
  const body = Buffer.concat(content)
  const head = Buffer.alloc(8)
  head.writeUInt32BE(body.length + 8)
  head.write(type, 4)
  return Buffer.concat([head, body])
}

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

/** Two items, of which the second is the primary one, 40 × 30, with these properties besides. */
function heic(...more: Buffer[]): Buffer {
  const properties = [
    box('ispe', hex('00000000 00000a00 00000a00')),
    box('ispe', hex('00000000 00000028 0000001e')),
    ...more,
  ]
  const own = [0x02, ...more.map((_box, index) => index + 3)]
  const ipma = Buffer.concat([hex('00000000 00000002 0001 01 01 0002'), Buffer.from([own.length, ...own])])
  return Buffer.concat([
    box('ftyp', Buffer.from('heic\0\0\0\0mif1heic')),
    box(
      'meta',
      hex('00000000'),
      box('pitm', hex('00000000 0002')),
      box('iprp', box('ipco', ...properties), box('ipma', ipma)),
    ),
    box('mdat', Buffer.alloc(100)),
  ])
}

const plain = (format: string, width: number, height: number) => ({
  format,
  width,
  height,
  displayWidth: width,
  displayHeight: height,
})
const still = { animated: false, frames: 1 }

describe('what an image says', () => {
  test.each([
    ['JPEG', 'image/jpeg', samples.jpeg, plain('jpeg', 8, 6)],
    [
      'JPEG on its side',
      'image/jpeg',
      jpegWith(exifSegment(6)),
      { ...plain('jpeg', 8, 6), orientation: 6, displayWidth: 6, displayHeight: 8 },
    ],
    ['JPEG upside down', 'image/jpeg', jpegWith(exifSegment(3)), { ...plain('jpeg', 8, 6), orientation: 3 }],
    ['JPEG with an orientation that does not exist', 'image/jpeg', jpegWith(exifSegment(9)), plain('jpeg', 8, 6)],
    [
      'JPEG with fill bytes',
      'image/jpeg',
      jpegWith(hex('ffffff'), exifSegment(3)),
      { ...plain('jpeg', 8, 6), orientation: 3 },
    ],
    ['PNG', 'image/png', samples.png(31, 17), { ...plain('png', 31, 17), ...still }],
    [
      'PNG with EXIF',
      'image/png',
      pngWith(pngChunk('eXIf', exif(8, 'II'))),
      { ...plain('png', 31, 17), ...still, orientation: 8, displayWidth: 17, displayHeight: 31 },
    ],
    ['PNG cut before its data', 'image/png', samples.png(31, 17).subarray(0, 40), plain('png', 31, 17)],
    ['APNG', 'image/apng', media.animatedPng, { ...plain('png', 20, 10), animated: true, frames: 3 }],
    ['GIF', 'image/gif', samples.gif, { ...plain('gif', 3, 2), ...still }],
    ['animated GIF', 'image/gif', media.animatedGif, { ...plain('gif', 20, 10), animated: true, frames: 3 }],
    [
      'animated GIF without its end',
      'image/gif',
      media.animatedGif.subarray(0, -1),
      { ...plain('gif', 20, 10), animated: true },
    ],
    ['WebP', 'image/webp', samples.webp, { ...plain('webp', 8, 6), ...still }],
    ['lossless WebP', 'image/webp', media.losslessWebp, { ...plain('webp', 20, 10), ...still }],
    ['animated WebP', 'image/webp', media.animatedWebp, { ...plain('webp', 20, 10), animated: true, frames: 3 }],
    ['AVIF', 'image/avif', media.avif, { ...plain('avif', 20, 10), ...still, orientation: 1 }],
    ['animated AVIF', 'image/avif', media.animatedAvif, { ...plain('avif', 20, 10), animated: true, orientation: 1 }],
    ['HEIC', 'image/heic', heic(), { ...plain('heic', 40, 30), ...still, orientation: 1 }],
    [
      'HEIC on its side',
      'image/heic',
      heic(box('irot', hex('03'))),
      { ...plain('heic', 40, 30), ...still, orientation: 6, displayWidth: 30, displayHeight: 40 },
    ],
    ['TIFF', 'image/tiff', media.tiff, plain('tiff', 20, 10)],
    ['BMP', 'image/bmp', bmp(7, -5), { ...plain('bmp', 7, 5), ...still }],
  ])('%s', async (_name, type, content, image) => {
    expect((await factsOf(type, content)).image).toEqual(image)
  })

  test.each([
    ['pixels', '<svg width="40" height="30px">', [40, 30]],
    ['inches', '<svg width="1in" height="2in">', [96, 192]],
    ['a view box', '<svg viewBox="0 0 7.6 4">', [8, 4]],
    ['a width and a view box', '<svg width="200" viewBox="0,0,100,50">', [200, 100]],
    ['a share of the page and a view box', '<svg width="100%" height="100%" viewBox="0 0 10 20">', [10, 20]],
    [
      'a prefix, behind everything',
      '<?xml version="1.0"?><!-- <svg width="1"> --><!DOCTYPE svg [<!ENTITY a "]>">]>\n<s:svg\n\twidth=\'9\' height=\'8\'/>',
      [9, 8],
    ],
    ['nothing', '<svg>', null],
    ['only a share of the page', '<svg width="100%" height="100%">', null],
    ['no SVG', '<html width="1" height="1">', null],
  ])('SVG with %s', async (_name, text, size) => {
    const { image } = await factsOf('image/svg+xml', Buffer.from(text))
    expect(image && [image.width, image.height]).toEqual(size ?? undefined)
  })

  test('SVG in UTF-16', async () => {
    const { image } = await factsOf('image/svg+xml', Buffer.from('\ufeff<svg width="4" height="3"/>', 'utf16le'))
    expect(image).toEqual(plain('svg', 4, 3))
  })
})

describe('an image that says nothing', () => {
  test.each([
    ['a JPEG that ends before its frame', 'image/jpeg', samples.jpeg.subarray(0, 20)],
    ['a PNG that is its magic number', 'image/png', samples.png(2, 2).subarray(0, 16)],
    ['a PNG without a pixel', 'image/png', samples.png(0, 1)],
    ['a TIFF whose directory is behind its end', 'image/tiff', media.tiff.subarray(0, 100)],
    ['a HEIC without items', 'image/heic', box('ftyp', Buffer.from('heic\0\0\0\0'))],
    ['an image of an unknown kind', 'image/x-unknown', samples.jpeg],
    ['no image', 'application/octet-stream', samples.jpeg],
  ])('%s', async (_name, type, content) => {
    expect(await factsOf(type, content)).not.toHaveProperty('image')
  })

  test('a JPEG of segments without end is left after a few ranges', async () => {
    // Each segment is as long as one can be, so that each marker is in a range of its own.
    const segment = Buffer.alloc(65_537)
    segment.set([0xff, 0xe2, 0xff, 0xff])
    const content = Buffer.concat([
      samples.jpeg.subarray(0, 2),
      ...Array.from({ length: 200 }, () => segment),
      samples.jpeg.subarray(2),
    ])
    const { inspection, rangesRead } = await inspected('image/jpeg', content)
    expect(inspection).not.toHaveProperty('facts.image')
    expect(rangesRead).toHaveLength(64)
  })
})

describe('how an image is read', () => {
  test('a photograph whose size stands behind its previews, by a range', async () => {
    const preview = jpegSegment(0xe2, Buffer.alloc(65_000))
    const content = jpegWith(exifSegment(6), ...Array.from({ length: 8 }, () => preview))
    const { inspection, rangesRead } = await inspected('image/jpeg', Buffer.concat([content, Buffer.alloc(1_000_000)]))
    expect(inspection).toMatchObject({ facts: { image: { width: 8, height: 6, orientation: 6 } } })
    expect(rangesRead.length).toBeGreaterThan(0)
    expect(rangesRead.length).toBeLessThan(8)
  })

  test('a TIFF of 150 MB whose directory is in its middle, by a range', async () => {
    const directory = 75_000_000
    const fields = media.tiff.subarray(media.tiff.readUInt32LE(4))
    const head = Buffer.from(media.tiff.subarray(0, 8))
    head.writeUInt32LE(directory, 4)
    const object = new SparseObject(150_000_000, [0, head], [directory, fields])
    const { inspection, rangesRead } = await inspected('image/tiff', object, { pieceBytes: 1024 * 1024 })
    expect(inspection).toMatchObject({ facts: { size: 150_000_000, image: plain('tiff', 20, 10) } })
    expect(rangesRead).toEqual([65_536])
  })

  test.each([1, 2, 3, 5, 7, 64])('a GIF in pieces of %i bytes', async (pieceBytes) => {
    expect((await factsOf('image/gif', media.animatedGif, { pieceBytes })).image).toMatchObject({ frames: 3 })
  })

  test('an SVG that would keep a careless expression busy for hours', async () => {
    const shapes = [
      `<svg ${'<svg '.repeat(50_000)}`,
      `<svg ${'a="'.repeat(80_000)}`,
      `<svg ${'a '.repeat(100_000)}`,
      '<!'.repeat(100_000),
      `<svg${' '.repeat(200_000)}`,
    ]
    for (const text of shapes) expect(await factsOf('image/svg+xml', Buffer.from(text))).not.toHaveProperty('image')
  })
})
