import { Buffer } from 'node:buffer'
import { deflateRawSync, gzipSync } from 'node:zlib'
import { describe, expect, test, vi } from 'vitest'
import { noise } from '../support/e2e/bodies.ts'
import * as hostile from '../support/hostile-files.ts'
import { inspected, SparseObject } from '../support/workers/inspected.ts'
import * as samples from '../support/workers/samples.ts'
import { buildZip, type ZipEntry } from '../support/workers/zip-builder.ts'

vi.setConfig({ testTimeout: 30_000 })

const zipType = 'application/zip'
const gibibyte = 1024 ** 3
const text = Buffer.from('eleven char')

/** What is found of an archive, and why it is a bomb if it is one. */
async function look(...of: Parameters<typeof inspected>) {
  const { inspection, rangesRead } = await inspected(...of)
  if (inspection.kind === 'corrupt') throw new Error('The test gave another digest.')
  return { archive: inspection.facts.archive, bomb: inspection.bomb, rangesRead }
}

const honest = {
  format: 'zip',
  ratio: 1,
  encryptedEntries: 0,
  nestedArchives: 0,
  overlappingEntries: false,
  prefixBytes: 0,
}

const ratioOf = (content: Buffer) => Math.round((content.length / deflateRawSync(content).length) * 1000) / 1000

describe('what a ZIP says', () => {
  const two: ZipEntry[] = [
    { name: 'a.txt', content: text },
    { name: 'b/', content: Buffer.alloc(0) },
  ]
  test.each([
    ['nothing in it', buildZip([]), { entries: 0, unpackedBytes: 0, ratio: 0 }],
    ['a file and a folder', buildZip(two), { entries: 2, unpackedBytes: 11 }],
    ['a comment', buildZip(two, { comment: Buffer.alloc(0xffff, 'x') }), { entries: 2, unpackedBytes: 11 }],
    [
      'a comment that looks like an end',
      buildZip(two, { comment: Buffer.from('PK\x05\x06 and nothing of an archive') }),
      { entries: 2, unpackedBytes: 11 },
    ],
    ['bytes before it', buildZip(two, { prefix: noise(1000) }), { entries: 2, unpackedBytes: 11, prefixBytes: 1000 }],
    [
      'long numbers',
      buildZip(
        two.map((entry) => ({ ...entry, isLong: true })),
        { isLong: true },
      ),
      { entries: 2, unpackedBytes: 11 },
    ],
    [
      'long numbers and bytes before it',
      buildZip(two, { isLong: true, prefix: noise(99) }),
      { entries: 2, unpackedBytes: 11, prefixBytes: 99 },
    ],
    ['a wrong count of entries', buildZip(two, { says: { entries: 1 } }), { entries: 2, unpackedBytes: 11 }],
    [
      'packed text',
      buildZip([{ name: 'a', content: Buffer.alloc(10_000, 'ab'), isPacked: true }]),
      { entries: 1, unpackedBytes: 10_000, ratio: ratioOf(Buffer.alloc(10_000, 'ab')) },
    ],
    [
      'an encrypted file',
      buildZip([{ name: 'a', content: text, isEncrypted: true }]),
      { entries: 1, unpackedBytes: 11, encryptedEntries: 1 },
    ],
    [
      'archives in it',
      buildZip(['a.ZIP', 'b.tar.gz', 'zip'].map((name) => ({ name }))),
      { entries: 3, unpackedBytes: 0, ratio: 0, nestedArchives: 2 },
    ],
  ] as const)('%s', async (_name, content, facts) => {
    const { archive, bomb } = await look(zipType, content)
    expect(archive).toEqual({ ...honest, ...facts })
    expect(bomb).toBeNull()
  })

  test.each([
    ['docx', samples.docxType, samples.docx, 3],
    ['xlsx', 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet', hostile.xlsx, 2],
    ['odt', 'application/vnd.oasis.opendocument.text', hostile.odt, 2],
    ['epub', 'application/epub+zip', hostile.epub, 2],
    ['jar', 'application/java-archive', hostile.jar, 2],
    ['a picture that is a Java archive as well', 'image/gif', hostile.gifar, 1],
  ])('%s', async (_name, type, content, entries) => {
    const { archive, bomb } = await look(type, content)
    expect(archive).toMatchObject({ format: 'zip', entries })
    expect(bomb).toBeNull()
  })

  test.each([
    ['cut', buildZip(two).subarray(0, -1)],
    ['without its directory', buildZip(two, { says: { offset: 1_000_000 } })],
    ['with a directory of other length', buildZip(two, { says: { length: 60 } })],
    ['only its end', buildZip(two).subarray(-22)],
    ['on several disks', Buffer.concat([buildZip([]).subarray(0, 4), Buffer.from([1]), buildZip([]).subarray(5)])],
  ])('an archive that is %s says nothing', async (_name, content) => {
    expect(await look(zipType, content)).toMatchObject({ archive: undefined, bomb: null })
  })
})

describe('a bomb', () => {
  const bomb = { name: 'a', says: { packedBytes: 10_000, unpackedBytes: 1_000_000 }, content: noise(10_000) }

  test('unpacks to more than is allowed, and more times', async () => {
    const options = { maxUnpackedBytes: 999_999, maxRatio: 99 }
    expect((await look(zipType, buildZip([bomb]), { options })).bomb).toMatch(/unpacks to 1000000 bytes, 100 times/)
    expect(
      (await look(zipType, buildZip([bomb]), { options: { ...options, maxUnpackedBytes: 1_000_000 } })).bomb,
    ).toBeNull()
    expect((await look(zipType, buildZip([bomb]), { options: { ...options, maxRatio: 100 } })).bomb).toBeNull()
  })

  test('by default is over 1 GiB and over 100 times', async () => {
    const saying = (unpackedBytes: number) => buildZip([{ name: 'a', content: noise(100), says: { unpackedBytes } }])
    expect((await look(zipType, saying(gibibyte))).bomb).toBeNull()
    const found = await look(zipType, saying(gibibyte + 1))
    expect(found.bomb).toMatch(/\.$/)
    expect(found.archive).toMatchObject({ entries: 1, unpackedBytes: gibibyte + 1 })
  })

  test('does not hide among files that are not packed', async () => {
    const ballast = { name: 'ballast', content: noise(500_000) }
    const options = { maxUnpackedBytes: 900_000, maxRatio: 50 }
    const found = await look(zipType, buildZip([bomb, ballast]), { options })
    expect(found.archive?.ratio).toBeLessThan(50)
    expect(found.bomb).not.toBeNull()
  })

  test('says of nothing that it unpacks to much', async () => {
    const entry = { name: 'a', says: { packedBytes: 0, unpackedBytes: 2 * gibibyte } }
    expect((await look(zipType, buildZip([entry]))).bomb).not.toBeNull()
  })

  test('declares long sizes', async () => {
    const entry = { name: 'a', isLong: true, says: { unpackedBytes: 2 ** 50 } }
    expect((await look(zipType, buildZip([entry], { isLong: true }))).bomb).not.toBeNull()
  })

  const kernel = { name: 'a', content: noise(1000) }
  test.each([
    [
      'share one file',
      [kernel, ...['b', 'c'].map((name) => ({ name, isGhost: true, says: { offset: 0, packedBytes: 1000 } }))],
    ],
    [
      'quote the header of the next',
      [{ name: 'q', says: { packedBytes: 1100 } }, { name: 'r', says: { packedBytes: 1031 } }, kernel],
    ],
    ['reach into the directory', [{ ...kernel, says: { packedBytes: 1010 } }]],
    ['begin behind the end', [kernel, { name: 'b', isGhost: true, says: { offset: 1_000_000 } }]],
  ])('has entries that %s', async (_name, entries) => {
    const found = await look(zipType, buildZip(entries))
    expect(found.archive).toMatchObject({ overlappingEntries: true, entries: entries.length })
    expect(found.bomb).toMatch(/share/)
  })

  test('has more entries than are allowed', async () => {
    const entries = Array.from({ length: 11 }, (_none, index) => ({ name: `f${index}` }))
    expect((await look(zipType, buildZip(entries), { options: { maxEntries: 11 } })).bomb).toBeNull()
    expect((await look(zipType, buildZip(entries), { options: { maxEntries: 10 } })).bomb).toMatch(
      /more than 10 entries/,
    )
  })

  test('has a directory that nobody should read', async () => {
    const directoryBytes = 33 * 1024 * 1024
    const archive = buildZip([], { says: { length: directoryBytes, offset: 0 } })
    const object = new SparseObject(directoryBytes + 22, [0, Buffer.from('PK\x01\x02')], [directoryBytes, archive])
    const found = await look(zipType, object, { pieceBytes: 1024 * 1024 })
    expect(found.bomb).toMatch(/directory larger than 32 MiB/)
    expect(found.rangesRead.length).toBeLessThan(3)
  })
})

describe('how an archive is read', () => {
  const entries = Array.from({ length: 70_000 }, (_none, index) => ({ name: `folder/file-${index}.txt`, isLong: true }))

  test('70,000 entries, in a few ranges', async () => {
    const { archive, bomb, rangesRead } = await look(zipType, buildZip(entries, { isLong: true }))
    expect(archive).toMatchObject({ entries: 70_000, overlappingEntries: false })
    expect(bomb).toBeNull()
    expect(rangesRead.length).toBeLessThan(12)
    expect(Math.max(...rangesRead)).toBeLessThanOrEqual(1024 * 1024)
  })

  test('an archive of 130 MB, by its end alone', async () => {
    const archive = buildZip([{ name: 'a', content: text }])
    const size = 130_000_000
    const object = new SparseObject(size, [size - archive.length, archive])
    const { archive: facts, rangesRead } = await look(zipType, object, { pieceBytes: 1024 * 1024 })
    expect(facts).toMatchObject({ entries: 1, prefixBytes: size - archive.length })
    expect(rangesRead).toEqual([])
  })
})

describe('gzip', () => {
  test('says what it unpacks to', async () => {
    const content = gzipSync(Buffer.alloc(50_000, 'freight '))
    const { archive, bomb } = await look('application/gzip', content)
    expect(archive).toEqual({
      format: 'gzip',
      unpackedBytes: 50_000,
      ratio: Math.round(50_000_000 / content.length) / 1000,
    })
    expect(bomb).toBeNull()
  })

  test('is a bomb by the same measure', async () => {
    const options = { maxUnpackedBytes: 32 * 1024 * 1024 - 1 }
    expect((await look('application/gzip', hostile.gzipBomb, { options })).bomb).toMatch(/unpacks to 33554432 bytes/)
    expect((await look('application/gzip', hostile.gzipBomb)).bomb).toBeNull()
  })

  test('cut says nothing', async () => {
    expect((await look('application/gzip', gzipSync('x').subarray(0, 15))).archive).toBeUndefined()
  })
})
