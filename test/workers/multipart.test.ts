import { env } from 'cloudflare:workers'
import { Buffer } from 'node:buffer'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { MultipartReader } from '../../src/multipart/index.ts'
import { chunkings, forms, withoutDelimiter } from '../multipart/arbitraries.ts'
import {
  byBlocks,
  byBuffers,
  byLeaving,
  bySkipping,
  byText,
  type Consumer,
  chunked,
  concatenate,
  encodeForm,
  type ModelForm,
  type ReadPart,
  readForm,
  streamed,
} from '../multipart/bodies.ts'
import { latin1, utf8 } from '../multipart/fixtures/fixture.ts'

// One seed, so that a change is judged by the same bodies twice; fast-check names the case that fails.
const isFull = Boolean((env as unknown as Record<string, unknown>).STEVEDORE_TEST_FULL)
beforeAll(() => fc.configureGlobal({ seed: 2046, numRuns: isFull ? 500 : 60 }))

const simple = (...bodies: (string | Uint8Array)[]): ModelForm => ({
  boundary: 'b',
  preamble: '',
  epilogue: '\r\n',
  padding: '',
  parts: bodies.map((body, index) => ({
    name: `n${index}`,
    filename: 'f',
    body: typeof body === 'string' ? latin1(body) : body,
  })),
})

const expected = (form: ModelForm): ReadPart[] =>
  form.parts.map(({ name, filename, contentType, body }) => ({ name, filename, contentType, body }))

/** Strings of one character a byte are compared a thousand times faster than arrays. */
const asText = ({ name, filename, contentType, body }: ReadPart) => [
  name,
  filename,
  contentType,
  body && Buffer.from(body).toString('latin1'),
]

async function expectRead(form: ModelForm, sizes: number[], consumers: Consumer[]) {
  const read = await readForm(chunked(encodeForm(form), sizes), form.boundary, consumers)
  expect(read.map(asText)).toEqual(
    expected(form).map((part, index) => asText({ ...part, body: (read[index]?.body ?? null) && part.body })),
  )
}

describe('any form, cut anywhere', () => {
  const consumers = fc.array(
    fc.oneof(
      fc.constantFrom(1, 2, 7, 100).map(byBuffers),
      fc.constantFrom(1, 3, 4095, 4096, 4097, 8192, 65_536, 300_000).map(byBlocks),
      fc.constantFrom(4096, 10_000, 1_000_000).map(byBuffers),
      fc.constantFrom(0, 1, 5000).map(byLeaving),
      fc.constant(bySkipping),
      fc.constant(byText),
    ),
    { minLength: 1, maxLength: 4 },
  )

  test('gives back the parts that it was made of', async () => {
    await fc.assert(
      fc.asyncProperty(forms, chunkings, consumers, async (form, sizes, each) => {
        // Long bodies in tiny reads take seconds and show nothing that short ones do not.
        const isLong = form.parts.some(({ body }) => body.length > 20_000)
        await expectRead(form, isLong ? [...sizes, 9000] : sizes, each)
      }),
    )
  }, 60_000)

  test('one byte at a time', async () => {
    await fc.assert(
      fc.asyncProperty(forms, fc.constantFrom(byBlocks(1), byBlocks(5000), byText), async (form, consumer) => {
        await expectRead(form, [1], [consumer])
      }),
      { numRuns: 40 },
    )
  }, 60_000)

  test('over a byte stream and over a stream of plain chunks', async () => {
    await fc.assert(
      fc.asyncProperty(forms, chunkings, fc.constantFrom('bytes' as const, undefined), async (form, sizes, type) => {
        const stream = streamed(encodeForm(form), sizes, type)
        const read = await readForm(stream, form.boundary, [byBlocks(5000)])
        expect(read.map(asText)).toEqual(expected(form).map(asText))
      }),
    )
  }, 60_000)

  test('as formData() reads it', async () => {
    let compared = 0
    await fc.assert(
      fc.asyncProperty(forms, async (form) => {
        // The runtime's parser knows neither a preamble nor padding.
        const plain = { ...form, preamble: '', padding: '', epilogue: '\r\n' }
        const body = encodeForm(plain)
        const contentType = `multipart/form-data; boundary="${form.boundary}"`
        // It takes a line feed alone for the start of a delimiter, and so cannot read these.
        if (form.parts.some(({ body }) => Buffer.from(body).includes(`\n--${form.boundary}`))) return
        let theirs: FormData
        try {
          theirs = await new Response(body, { headers: { 'content-type': contentType } }).formData()
        } catch {
          return
        }
        compared++
        const read = await readForm(new Response(body).body!, form.boundary, [byBlocks(5000)])
        // Nor does it undo what browsers escape, and an empty filename is none to it.
        const decoded = (text: string) => text.replaceAll('%22', '"').replaceAll('%0D', '\r').replaceAll('%0A', '\n')
        const entries = [...(theirs as unknown as Iterable<[string, string | File]>)]
        expect(read.map(({ name, filename }) => [name, filename || undefined])).toEqual(
          entries.map(([name, value]) => [
            decoded(name),
            typeof value === 'string' ? undefined : decoded(value.name) || undefined,
          ]),
        )
        for (const [index, [, value]] of entries.entries()) {
          const bytes = typeof value === 'string' ? utf8(value) : await value.bytes()
          expect(Buffer.compare(read[index]!.body!, bytes)).toBe(0)
        }
      }),
    )
    expect(compared).toBeGreaterThan(30)
  }, 60_000)
})

describe('a delimiter at every place', () => {
  const wholeSizes = [
    4095, 4096, 4097, 8190, 8191, 8192, 8193, 65_535, 65_536, 65_537, 262_143, 262_144, 262_145, 600_000,
  ]

  test.each(wholeSizes)('a part of %i bytes before a small one, filled in blocks about its size', async (size) => {
    const form = simple('x'.repeat(size), 'tail')
    for (const block of [size - 1, size, size + 1, 300_000]) await expectRead(form, [], [byBlocks(block)])
    await expectRead(form, [1000], [byBlocks(size)])
  })

  test('a block ends at each byte of a delimiter, false or true', async () => {
    for (const boundary of ['b', 'x'.repeat(70)]) {
      const delimiter = `\r\n--${boundary}`
      for (let kept = 1; kept < delimiter.length; kept++) {
        const body = `${'x'.repeat(5000)}${delimiter.slice(0, kept)}`
        const form = { ...simple(`${body}${'y'.repeat(5000)}`, body), boundary }
        for (const end of [0, 1, kept - 1, kept, kept + 1]) await expectRead(form, [], [byBlocks(5000 + end)])
      }
    }
  })

  test('a CR before the CRLF of a delimiter belongs to the body', async () => {
    for (const body of ['\r', '\r\r', '\r\n\r', '\r\n', '\r\n-', '\n'])
      await expectRead(simple(body, body), [1], [byBlocks(4)])
  })

  test('a body may begin like the boundary, but not with it', async () => {
    const form = simple('--', '--B', '-')
    for (const sizes of [[], [1], [50]]) await expectRead(form, sizes, [byBlocks(10)])
    // RFC 2046 §5.1.1: a body-part may have no body, and then the blank line's CRLF is the delimiter's own.
    const none = latin1('--b\r\nContent-Disposition: form-data; name=a\r\n\r\n--b--')
    for (const sizes of [[], [1]]) {
      for (const consumer of [byBlocks(10), byText, byLeaving(0)]) {
        expect(await readForm(chunked(none, sizes), 'b', [consumer])).toMatchObject([{ name: 'a' }])
      }
      expect((await readForm(chunked(none, sizes), 'b', [byText]))[0]?.body).toEqual(latin1(''))
    }
  })
})

describe('the frame', () => {
  test.each([
    ['no part at all', '--b--'],
    ['no part, with a line end', '--b--\r\n'],
    ['no part behind a preamble', 'preamble\r\n--b--\r\nepilogue'],
    ['an empty line before the first boundary', '\r\n--b--'],
    ['an epilogue straight behind', '--b--epilogue'],
  ])('%s', async (_, body) => {
    for (const sizes of [[], [1]]) expect(await readForm(chunked(latin1(body), sizes), 'b', [bySkipping])).toEqual([])
  })

  test('a boundary in a preamble line, not at its start, is none', async () => {
    const body = latin1('see --b\r\n--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b--')
    expect(await readForm(chunked(body, []), 'b', [byText])).toMatchObject([{ name: 'a', body: latin1('1') }])
  })

  test('a boundary that only begins a longer one is refused, not passed over', async () => {
    const body = latin1('--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--bc\r\n\r\n--b--')
    await expect(readForm(chunked(body, []), 'b', [byText])).rejects.toMatchObject({ code: 'delimiter-malformed' })
  })

  test('all line ends LF: refused as such, not as truncated', async () => {
    const crlf = '--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b--\r\n'
    const mixed = '--b\r\nContent-Disposition: form-data; name=a\n\n1\n--b--\n'
    for (const body of [crlf.replaceAll('\r\n', '\n'), mixed]) {
      for (const sizes of [[], [1]]) {
        const read = readForm(chunked(latin1(body), sizes), 'b', [byText])
        await expect(read).rejects.toMatchObject({ code: 'bare-line-feed', message: expect.stringContaining('CRLF') })
      }
    }
  })

  test('cut off at any byte: truncated, until the closing delimiter is whole', async () => {
    const body = encodeForm({ ...simple('one', '', '\r\n--c\r\n'), preamble: 'preamble', epilogue: '\r\nepilogue' })
    const closed = body.length - '\r\nepilogue'.length
    for (let length = 0; length <= body.length; length++) {
      for (const [sizes, consumer] of [
        [[], byBlocks(4)],
        [[1], byText],
        [[7], bySkipping],
      ] as [number[], Consumer][]) {
        const read = readForm(chunked(body.slice(0, length), sizes), 'b', [consumer])
        if (length >= closed) expect(await read).toHaveLength(3)
        else await expect(read).rejects.toMatchObject({ name: 'MultipartError', code: 'truncated', offset: length })
      }
    }
  })
})

describe('the reader as a citizen', () => {
  const form = encodeForm(simple('first', 'second'))

  test('a small body takes one read, and one more for the end', async () => {
    const source = chunked(form, [])
    await readForm(source, 'b', [byBlocks(1_000_000)])
    expect(source.reads).toBe(2)
    expect(source.longestMemory).toBe(8192)
  })

  test('a large part is read straight into the memory of the consumer', async () => {
    const source = chunked(encodeForm(simple('x'.repeat(3_000_000))), [])
    const reader = new MultipartReader(source, 'b')
    const part = (await reader.next())!
    let filled = await part.fill(new ArrayBuffer(4_000_000), 0)
    const before = source.reads
    while (!filled.done) filled = await part.fill(filled.buffer, filled.end)
    expect(source.longestMemory).toBe(4_000_000)
    // 256 KiB a read.
    expect(source.reads - before).toBeLessThan(13)
  })

  test('a large part is skipped in 64 KiB of memory', async () => {
    const source = chunked(encodeForm(simple('x'.repeat(3_000_000))), [])
    await readForm(source, 'b', [bySkipping])
    expect(source.longestMemory).toBe(64 * 1024)
  })

  test('ten thousand parts in one read are not copied over and over', async () => {
    const many = simple(...Array.from({ length: 10_000 }, (_, index) => `body ${index}`))
    const limits = { parts: 10_000, files: 10_000 }
    const read = await readForm(chunked(encodeForm(many), []), 'b', [byBlocks(300_000), byText], limits)
    expect(read[9999]?.body).toEqual(latin1('body 9999'))
  }, 10_000)

  test('an error of the source comes through as it is, and stays', async () => {
    const cause = new Error('Network connection lost.')
    let reads = 0
    const source = {
      async read(view: Uint8Array) {
        if (reads++ > 0) throw cause
        view.set(form.subarray(0, 70))
        return { done: false, value: view.subarray(0, 70) }
      },
    }
    const reader = new MultipartReader(source, 'b')
    const part = (await reader.next())!
    await expect(part.text()).rejects.toBe(cause)
    await expect(part.fill(new ArrayBuffer(10), 0)).rejects.toBe(cause)
    await expect(part.skip()).rejects.toBe(cause)
    await expect(reader.next()).rejects.toBe(cause)
    expect(reads).toBe(2)
  })

  test('a source that ends without giving the memory back is truncated', async () => {
    const reader = new MultipartReader({ read: async () => ({ done: true }) }, 'b')
    await expect(reader.next()).rejects.toMatchObject({ code: 'truncated' })
  })

  test('misuse is a TypeError or a RangeError, and harms nothing', async () => {
    const reader = new MultipartReader(chunked(form, [20]), 'b')
    const pending = reader.next()
    await expect(reader.next()).rejects.toThrow(TypeError)
    const first = (await pending)!
    await expect(first.fill(new ArrayBuffer(4), 5)).rejects.toThrow(RangeError)
    await expect(first.fill(new ArrayBuffer(4), -1)).rejects.toThrow(RangeError)
    const second = (await reader.next())!
    await expect(first.fill(new ArrayBuffer(4), 0)).resolves.toMatchObject({ done: true, end: 0 })
    expect(await second.text()).toBe('second')
    expect(await second.text()).toBe('second')
    expect(await reader.next()).toBeNull()
    const stream = streamed(form, [])
    stream.getReader()
    expect(() => new MultipartReader(stream, 'b')).toThrow(TypeError)
    const strings = new ReadableStream({ start: (controller) => controller.enqueue('text') })
    await expect(new MultipartReader(strings, 'b').next()).rejects.toThrow(TypeError)
  })

  test('a hostile body of false starts costs no more than any other', async () => {
    const boundary = 'x'.repeat(70)
    const megabytes = (text: string) => withoutDelimiter(text.repeat(8_000_000 / text.length), boundary)
    for (const text of ['\r', '\r\n', '\r\n--', `\r\n--${boundary.slice(0, -1)}`, 'x', `--${boundary}\r`]) {
      const body = concatenate([
        latin1(`--${boundary}\r\nContent-Disposition: form-data; name=a; filename=f\r\n\r\n`),
        latin1(megabytes(text)),
        latin1(`\r\n--${boundary}--`),
      ])
      const started = performance.now()
      await readForm(chunked(body, []), boundary, [byBuffers(1_000_000)])
      expect(performance.now() - started).toBeLessThan(2000)
    }
  }, 60_000)
})
