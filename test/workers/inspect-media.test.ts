import { Buffer } from 'node:buffer'
import { describe, expect, test } from 'vitest'
import { factsOf, inspected, SparseObject } from '../support/workers/inspected.ts'
import * as media from '../support/workers/media-samples.ts'
import * as samples from '../support/workers/samples.ts'

const chunk = (name: string, content: Uint8Array) => {
  const head = Buffer.alloc(8)
  head.write(name, 'latin1')
  head.writeUInt32LE(content.length, 4)
  return Buffer.concat([head, content])
}

/** The description of 16-bit stereo at 8,000 samples a second, or of another format. */
function waveFormat(tag = 1): Buffer {
  const format = Buffer.alloc(16)
  format.writeUInt16LE(tag, 0)
  format.writeUInt16LE(2, 2)
  format.writeUInt32LE(8000, 4)
  format.writeUInt32LE(32_000, 8)
  format.writeUInt16LE(4, 12)
  format.writeUInt16LE(16, 14)
  return format
}

const wave = (...chunks: Buffer[]) => Buffer.concat([Buffer.from('RIFF\0\0\0\0WAVE'), ...chunks])
const wav = wave(
  chunk('fmt ', waveFormat()),
  chunk('LIST', Buffer.alloc(5)),
  Buffer.alloc(1),
  chunk('data', Buffer.alloc(8000)),
)

function rf64(): Buffer {
  const long = Buffer.alloc(28)
  long.writeUInt32LE(8000, 8)
  const data = chunk('data', Buffer.alloc(8000))
  data.writeUInt32LE(0xffffffff, 4)
  const all = wave(chunk('ds64', long), chunk('fmt ', waveFormat()), data)
  all.write('RF64')
  return all
}

const id3 = (content: number) =>
  Buffer.concat([Buffer.from('ID3\x04\0\0\0\0'), Buffer.from([content >> 7, content & 127]), Buffer.alloc(content)])

/** A frame of MPEG 1 layer III at 128 kbit/s and 44,100 samples a second, and in its place the table of VBRI. */
function vbri(frames: number): Buffer {
  const frame = Buffer.alloc(417)
  frame.writeUInt32BE(0xfffb9064)
  frame.write('VBRI', 36)
  frame.writeUInt32BE(frames, 50)
  return frame
}

const mp3Frame = (header: number, bytes: number) => {
  const frame = Buffer.alloc(bytes)
  frame.writeUInt32BE(header)
  return frame
}

/** The same Ogg, with another number on each of its pages. */
function ofSerial(ogg: Buffer, serial: number): Buffer {
  const copy = Buffer.from(ogg)
  for (let at = copy.indexOf('OggS'); at >= 0; at = copy.indexOf('OggS', at + 4)) copy.writeUInt32LE(serial, at + 14)
  return copy
}

/** A movie header of 64-bit fields, behind so many bytes of pictures. */
function longMovie(): Buffer {
  const mvhd = Buffer.alloc(40)
  mvhd.writeUInt32BE(40)
  mvhd.write('mvhd', 4)
  mvhd[8] = 1
  mvhd.writeUInt32BE(1000, 28)
  mvhd.writeBigUInt64BE(7_200_500n, 32)
  const moov = Buffer.alloc(8)
  moov.writeUInt32BE(48)
  moov.write('moov', 4)
  return Buffer.concat([moov, mvhd])
}

describe('how long something plays', () => {
  test.each([
    ['MP4', 'video/mp4', media.mp4, 'mp4', 1.2],
    ['sound in MP4', 'audio/x-m4a', media.m4a, 'mp4', 1.5],
    ['QuickTime', 'video/quicktime', media.mov, 'quicktime', 1.2],
    ['WAV', 'audio/wav', wav, 'wav', 0.25],
    ['RF64', 'audio/wav', rf64(), 'wav', 0.25],
    [
      'compressed WAV',
      'audio/wav',
      wave(
        chunk('fmt ', waveFormat(0x55)),
        chunk('fact', Buffer.from([0x80, 0x3e, 0, 0])),
        chunk('data', Buffer.alloc(10)),
      ),
      'wav',
      2,
    ],
    ['FLAC', 'audio/flac', media.flac, 'flac', 1.5],
    ['FLAC behind a tag', 'audio/flac', Buffer.concat([id3(300), media.flac]), 'flac', 1.5],
    ['Vorbis', 'audio/ogg', media.vorbis, 'ogg', 1.5],
    ['Opus', 'audio/opus', media.opus, 'ogg', 1.5],
    ['MP3 with a count of frames', 'audio/mpeg', media.vbrMp3, 'mp3', 1.656],
    ['MP3 with a count of the other kind', 'audio/mpeg', vbri(1000), 'mp3', 26.122],
    ['WebM', 'audio/webm', media.webm, 'webm', 1.508],
    ['Matroska', 'video/matroska', media.matroska, 'matroska', 1.508],
  ])('%s', async (_name, type, content, container, durationSeconds) => {
    expect((await factsOf(type, content)).media).toEqual({ container, durationSeconds })
  })

  test.each([
    ['bare', media.cbrMp3],
    ['between tags', Buffer.concat([id3(500), media.cbrMp3, Buffer.from('TAG'.padEnd(128, '\0'))])],
  ])('MP3 of one bit rate, %s, is an estimate', async (_name, content) => {
    expect((await factsOf('audio/mpeg', content)).media).toEqual({
      container: 'mp3',
      durationSeconds: 1.656,
      durationIsEstimated: true,
    })
  })

  test('a film of 150 MB with its header at the end, by a few ranges', async () => {
    const header = longMovie()
    const size = 150_000_000
    const mdat = Buffer.from('\0\0\0\0mdat')
    mdat.writeUInt32BE(size - header.length - 32)
    const object = new SparseObject(size, [0, samples.mp4.subarray(0, 32)], [32, mdat], [size - header.length, header])
    const { inspection, rangesRead } = await inspected('video/mp4', object, { pieceBytes: 1024 * 1024 })
    expect(inspection).toMatchObject({ facts: { media: { container: 'mp4', durationSeconds: 7200.5 } } })
    expect(rangesRead).toEqual([])
  })
})

describe('what does not say how long it plays', () => {
  const cut = (content: Uint8Array, bytes: number) => content.subarray(0, content.length - bytes)
  test.each([
    ['MP4 without a header', 'video/mp4', samples.mp4],
    ['MP4 in fragments', 'video/mp4', media.fragmentedMp4],
    ['QuickTime cut before its header', 'video/quicktime', cut(media.mov, 1000)],
    ['WAV that is cut', 'audio/wav', cut(wav, 1)],
    [
      'compressed WAV without a count',
      'audio/wav',
      wave(chunk('fmt ', waveFormat(0x55)), chunk('data', Buffer.alloc(10))),
    ],
    ['FLAC cut in its first block', 'audio/flac', media.flac.subarray(0, 20)],
    ['Ogg with another stream behind', 'audio/ogg', Buffer.concat([media.vorbis, ofSerial(media.opus, 7)])],
    ['Ogg of an unknown kind', 'video/ogg', Buffer.from(media.opus).fill('Theora', 28, 36)],
    [
      'MP3 of several bit rates',
      'audio/mpeg',
      Buffer.concat([mp3Frame(0xfffb9064, 417), mp3Frame(0xfffbb064, 626), mp3Frame(0xfffb9064, 417)]),
    ],
    ['MP3 that is one frame', 'audio/mpeg', mp3Frame(0xfffb9064, 417)],
    ['MP3 that is none', 'audio/mpeg', Buffer.from('no frame at all')],
    ['WebM cut in its information', 'audio/webm', media.webm.subarray(0, 120)],
  ])('%s', async (_name, type, content) => {
    const found = (await factsOf(type, content)).media
    expect(found).toEqual({ container: found?.container })
  })

  test('what is no sound and no video', async () => {
    expect(await factsOf('application/octet-stream', media.mp4)).not.toHaveProperty('media')
  })
})
