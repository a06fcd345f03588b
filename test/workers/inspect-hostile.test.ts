import { env } from 'cloudflare:workers'
import { Buffer } from 'node:buffer'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { maxRangesRead } from '../../src/processing/bytes/object-bytes.ts'
import { inspectFacts } from '../../src/processing/inspect-facts.ts'
import * as hostile from '../support/hostile-files.ts'
import { inspected, SparseObject } from '../support/workers/inspected.ts'
import * as media from '../support/workers/media-samples.ts'
import { buildPdf, document, updatedPdf } from '../support/workers/pdf-builder.ts'
import * as samples from '../support/workers/samples.ts'
import { buildZip } from '../support/workers/zip-builder.ts'

const isFull = Boolean((env as { STEVEDORE_TEST_FULL?: string }).STEVEDORE_TEST_FULL)
vi.setConfig({ testTimeout: isFull ? 1_800_000 : 60_000 })

/** Good files of every kind that is looked into, each under the type it has. */
const good: [string, Buffer][] = [
  ['image/jpeg', samples.jpeg],
  ['image/png', samples.png(31, 17)],
  ['image/apng', media.animatedPng],
  ['image/gif', media.animatedGif],
  ['image/webp', media.animatedWebp],
  ['image/webp', samples.webp],
  ['image/avif', media.avif],
  ['image/heic', media.animatedAvif],
  ['image/tiff', media.tiff],
  ['image/bmp', Buffer.concat([hostile.bmp, Buffer.alloc(60)])],
  ['image/x-icon', Buffer.from('000001000100101000000100200068040000160000000000', 'hex')],
  [
    'image/jp2',
    Buffer.concat([
      Buffer.from(
        '0000000c6a5020200d0a870a00000014667479706a703220000000006a7032200000002d6a7032680000001669686472',
        'hex',
      ),
      Buffer.alloc(40, 1),
    ]),
  ],
  ['image/svg+xml', samples.svg],
  ['application/pdf', buildPdf({ objects: document(3, '/OpenAction<</S/JavaScript>>') })],
  [
    'application/pdf',
    buildPdf({ objects: {}, packed: { container: 9, objects: document(3) }, references: 'predicted stream' }),
  ],
  ['application/pdf', updatedPdf(buildPdf({ objects: document(3) }), { 2: '<</Type/Pages/Count 12>>' })],
  [
    'application/zip',
    buildZip([{ name: 'a', content: Buffer.alloc(500), isPacked: true, isLong: true }, { name: 'b' }], {
      isLong: true,
      comment: Buffer.from('PK\x05\x06'),
    }),
  ],
  ['application/zip', samples.docx],
  ['application/gzip', gzipSync('freight')],
  ['video/mp4', media.mp4],
  ['video/mp4', media.fragmentedMp4],
  ['video/quicktime', media.mov],
  ['audio/wav', Buffer.concat([hostile.wav, Buffer.alloc(100)])],
  ['audio/flac', media.flac],
  ['audio/ogg', media.opus],
  ['audio/mpeg', media.vbrMp3],
  ['audio/mpeg', media.cbrMp3],
  ['video/webm', media.webm],
  ['video/matroska', media.matroska],
  ['text/plain', samples.windows1252],
]

/** Numbers that files lie with: none, few, and as many as fit. */
const lies = [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff]

/** A change of a file: other bytes, a number that lies, bytes that are cut out, moved, doubled or put in. */
type Change = {
  kind: 'bytes' | 'lie' | 'cut' | 'double' | 'end'
  at: number
  length: number
  bytes: Uint8Array
  lie: number
  littleEndian: boolean
}

const change: fc.Arbitrary<Change> = fc.record({
  kind: fc.constantFrom('bytes', 'bytes', 'lie', 'lie', 'cut', 'double', 'end'),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.integer({ min: 1, max: 64 }),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }),
  lie: fc.constantFrom(...lies),
  littleEndian: fc.boolean(),
})

function changed(content: Buffer, { kind, at, length, bytes, lie, littleEndian }: Change): Buffer {
  const place = Math.floor(at * content.length)
  const copy = Buffer.from(content)
  switch (kind) {
    case 'bytes':
      copy.set(bytes.subarray(0, copy.length - place), place)
      return copy
    case 'lie':
      if (place + 4 > copy.length) return copy
      if (littleEndian) copy.writeUInt32LE(lie, place)
      else copy.writeUInt32BE(lie, place)
      return copy
    case 'cut':
      return Buffer.concat([copy.subarray(0, place), copy.subarray(place + length)])
    case 'double':
      return Buffer.concat([copy.subarray(0, place + length), copy.subarray(place)])
    case 'end':
      return copy.subarray(0, place)
  }
}

/** Inspects what may be anything, and holds the answer against what every answer has to be. */
async function inspectAnything(type: string, content: Buffer | SparseObject, pieceBytes = 4096): Promise<void> {
  const { inspection, rangesRead } = await inspected(type, content, { pieceBytes })
  if (inspection.kind === 'corrupt') throw new Error('The test gave another digest.')
  expect(() => inspectFacts.strict().parse(inspection.facts)).not.toThrow()
  // What is an archive besides is read with a count of its own.
  expect(rangesRead.length).toBeLessThanOrEqual(2 * maxRangesRead)
}

describe('whatever a file is', () => {
  test.each(good.map(([type, content], index) => [index, type, content] as const))(
    'cut at every byte, the file %i of %s is told about or not, and no more',
    async (_index, type, content) => {
      const step = isFull ? 1 : Math.max(Math.floor(content.length / 150), 1)
      for (let bytes = 0; bytes <= content.length; bytes += step)
        await inspectAnything(type, content.subarray(0, bytes))
    },
  )

  test('changed anywhere, under any type', async () => {
    const file = fc.constantFrom(...good)
    const types = good.map(([type]) => type)
    const type = fc.option(fc.constantFrom(...types), { freq: 5 })
    await fc.assert(
      fc.asyncProperty(
        file,
        type,
        fc.array(change, { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 1, max: 5000 }),
        async ([own, content], other, changes, pieceBytes) => {
          await inspectAnything(other ?? own, changes.reduce(changed, content), pieceBytes)
        },
      ),
      { seed: 20_261_122, numRuns: isFull ? 200_000 : 3000, endOnFailure: true },
    )
  })

  test('large, with what matters far apart: a bounded number of ranges is read', async () => {
    const place = fc.double({ min: 0, max: 1, noNaN: true })
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...good),
        fc.array(change, { maxLength: 4 }),
        place,
        place,
        async ([type, content], changes, split, gap) => {
          const bytes = changes.reduce(changed, content)
          const at = Math.floor(split * bytes.length)
          const size = 500_000 + Math.floor(gap * 3_000_000)
          const end = bytes.subarray(at)
          const object = new SparseObject(size, [0, bytes.subarray(0, at)], [size - end.length, end])
          await inspectAnything(type, object, 256 * 1024)
        },
      ),
      { seed: 20_261_122, numRuns: isFull ? 5000 : 150, endOnFailure: true },
    )
  })

  test.each(['image/jpeg', 'image/png', 'image/webp', 'video/mp4', 'audio/wav', 'video/webm', 'application/pdf'])(
    'one that is %s and goes on and on is left after %#',
    async (type) => {
      // Each part is short, says that the next is far, and leads to another range.
      const parts: Record<string, string> = {
        'image/jpeg': 'ffd8' + 'ffe0ffff',
        'image/png': '89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de',
        'image/webp': '52494646ffffff0057454250565038580a00000002000000000000000000',
        'video/mp4': '0000001866747970',
        'audio/wav': '52494646ffffffff57415645',
        'video/webm': '1a45dfa380185380670100000000ffffff',
        'application/pdf': Buffer.from('%PDF-1.7').toString('hex'),
      }
      const size = 40_000_000
      const step = 100_000
      const head = Buffer.from(parts[type] as string, 'hex')
      const link = Buffer.alloc(16)
      link.writeUInt32BE(type === 'image/png' ? step - 12 : step)
      link.write(type === 'image/png' ? 'juNK' : 'free', 4)
      if (type === 'audio/wav' || type === 'image/webp') {
        link.write('JUNK')
        link.writeUInt32LE(step - 8, 4)
      }
      const links = Array.from({ length: 300 }, (_none, n) => [head.length + n * step, link] as const)
      await inspectAnything(type, new SparseObject(size, [0, head], ...links), 1024 * 1024)
    },
  )
})
