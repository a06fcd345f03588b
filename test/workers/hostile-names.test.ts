import { Buffer } from 'node:buffer'
import { parse as parseDisposition } from 'content-disposition'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cleanFilename } from '../../src/core/filename.ts'
import { boundary, multipartType } from '../support/e2e/bodies.ts'
import {
  call,
  expectProblem,
  expectStatus,
  field,
  file,
  jobsDone,
  makeDomain,
  postForm,
  putFile,
  rowOf,
  type TestDomain,
} from '../support/workers/client.ts'

afterAll(jobsDone, 120_000)

let domain: TestDomain
beforeAll(async () => {
  domain = await makeDomain({ readBeforeComplete: true, steps: [] })
})

/** The headers that an answer with content has. What a name has injected would be one more. */
const contentHeaders = [
  'accept-ranges',
  'cache-control',
  'content-disposition',
  'content-length',
  'content-security-policy',
  'content-type',
  'cross-origin-resource-policy',
  'etag',
  'repr-digest',
  'server-timing',
  'vary',
  'x-content-type-options',
  'x-request-id',
]

/** Reads an upload back in every way, and holds its name against this one. */
async function expectKept(id: string, name: string) {
  const { json } = await call('GET', `${domain.origin}/v1/uploads/${id}`)
  expect(json.filename).toBe(name)
  expect((await rowOf(id)).object_key).toBe(`${id}/${domain.id}`)
  const { status, headers, text } = await call('GET', `${domain.origin}/v1/uploads/${id}/content`)
  expect([status, text]).toEqual([200, 'abc'])
  const header = headers.get('content-disposition') ?? ''
  expect(header).toMatch(/^[\x20-\x7e]+$/)
  const { type, parameters } = parseDisposition(header)
  expect(['inline', 'attachment']).toContain(type)
  expect(parameters.filename).toBe(name)
  expect(Object.keys(parameters).filter((key) => key !== 'filename' && key !== 'filename*')).toEqual([])
  expect([...headers.keys()].sort()).toEqual(contentHeaders)
}

/** A form of one file whose part has these header lines, byte for byte. */
const rawForm = (...lines: (string | Uint8Array)[]) =>
  call('POST', `${domain.origin}/v1/uploads`, {
    headers: { 'content-type': multipartType },
    body: Buffer.concat([
      Buffer.from(`--${boundary}\r\n`),
      ...lines.flatMap((line) => [Buffer.from(line as string), Buffer.from('\r\n')]),
      Buffer.from(`\r\nabc\r\n--${boundary}--\r\n`),
    ]),
  })

describe('a name', () => {
  const names: [string, string, string][] = [
    ['of a path', '../../etc/passwd', 'passwd'],
    ['of a Windows path', '..\\..\\x', 'x'],
    ['of an absolute path', '/abs', 'abs'],
    ['of a drive', 'C:\\x', 'x'],
    ['of a drive alone', 'C:x', 'C:x'],
    ['of a network path', '\\\\evil.com\\share\\x', 'x'],
    ['that ends with a slash', 'a/', 'unnamed'],
    ['of one dot', '.', 'unnamed'],
    ['of two dots', '..', 'unnamed'],
    ['of three dots', '...', '...'],
    ['of blanks', '   ', 'unnamed'],
    ['with blanks around it', '  a b  ', 'a b'],
    ['with trailing dots', 'a.txt...', 'a.txt...'],
    ['of a hidden file', '.htaccess', '.htaccess'],
    ['of a device', 'CON', 'CON'],
    ['of a device with an extension', 'nul.txt', 'nul.txt'],
    ['of a stream', 'a.txt::$DATA', 'a.txt::$DATA'],
    ['with CR LF', 'a\r\nSet-Cookie: x=y', 'aSet-Cookie: x=y'],
    ['with CR LF twice, and a body', 'a\r\n\r\n<script>', 'a<script>'],
    ['with LF alone', 'a\nX: y', 'aX: y'],
    ['with Unicode line breaks', 'a\u2028b\u2029c\u0085d', 'abcd'],
    ['that is turned round', 'photo\u202egpj.exe', 'photogpj.exe'],
    ['with a zero-width space', 'a\u200bb.txt', 'a\u200bb.txt'],
    ['with a byte order mark', '\ufeffa.txt', 'a.txt'],
    ['with a family of emoji', '👨‍👩‍👧‍👦🏳️‍🌈.png', '👨‍👩‍👧‍👦🏳️‍🌈.png'],
    ['with many marks on a letter', `Z${'\u0335'.repeat(40)}.txt`, `Z${'\u0335'.repeat(40)}.txt`],
    ['with quotes', 'a"; filename="evil.exe', 'a"; filename="evil.exe'],
    ['with an apostrophe', "a'b''c", "a'b''c"],
    ['with semicolons', "a;b; filename*=UTF-8''x", "a;b; filename*=UTF-8''x"],
    ['with percent signs', '100%.txt%2F%0D%00', '100%.txt%2F%0D%00'],
    ['with the signs of other languages', '$(rm -rf *)`x`|&<>?*{}[]', '$(rm -rf *)`x`|&<>?*{}[]'],
    ['that looks encoded', '=?utf-8?B?YQ==?=', '=?utf-8?B?YQ==?='],
    ['of Latin-1', 'naïve.txt', 'naïve.txt'],
    ['of 4 KB', `${'x'.repeat(4096)}.png`, `${'x'.repeat(251)}.png`],
  ]

  test.each(names)('%s is kept and given back', async (_title, sent, kept) => {
    // As browsers escape it; percent signs that they would read back are escaped by none.
    const escaped = sent.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
    if (!/%(0D|0A|22)/.test(sent)) {
      const form = await postForm(domain.origin, [file(escaped, 'abc')])
      expectStatus(form, 202)
      await expectKept(form.json.results[0].upload.id, kept)
    }
    const extended = await rawForm(
      `Content-Disposition: form-data; name="f"; filename="x"; filename*=UTF-8''${encodeURIComponent(sent).replaceAll("'", '%27')}`,
    )
    expectStatus(extended, 202)
    await expectKept(extended.json.results[0].upload.id, kept)
    // A URL resolves the segments `.` and `..` before anybody sees them.
    if (sent === '.' || sent === '..') return
    const raw = await putFile(domain.origin, sent, 'abc')
    expectStatus(raw, 202)
    await expectKept(raw.json.id, kept)
  })

  test('of any text is clean, is kept, and is read back by a strict parser', async () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc.string({ unit: 'grapheme', maxLength: 60 }),
      fc.string({
        unit: fc.constantFrom('"', '\\', ';', '%', "'", '/', '\r', '\n', '.', ' ', '=', '*', 'ä', '\u202e'),
      }),
      fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)), maxLength: 40 }),
    )
    await fc.assert(
      fc.asyncProperty(text, async (sent) => {
        const name = sent.toWellFormed()
        fc.pre(!/^\.{0,2}$/.test(name))
        const raw = await putFile(domain.origin, name, 'abc')
        expectStatus(raw, 202)
        await expectKept(raw.json.id, cleanFilename(name))
      }),
      { seed: 6266, numRuns: 60 },
    )
  }, 60_000)
})

describe('a header of a part', () => {
  const named = 'Content-Disposition: form-data; name="f"; filename='

  test.each([
    ['bytes that are no UTF-8', Buffer.from(`${named}"a\xff\xfe.txt"`, 'latin1'), 'a\ufffd\ufffd.txt'],
    [
      'a lone surrogate, as some write it',
      Buffer.from(`${named}"a\xed\xa0\x80.txt"`, 'latin1'),
      'a\ufffd\ufffd\ufffd.txt',
    ],
    ['a filename* that is no UTF-8, beside one that is', `${named}"x.txt"; filename*=UTF-8''%ff%fe`, 'x.txt'],
    ['a filename* in another charset', `${named}"x.txt"; filename*=utf-7''+AGE-`, 'x.txt'],
  ])('with %s gives a well-formed name', async (_title, line, kept) => {
    const answer = await rawForm(line)
    expectStatus(answer, 202)
    await expectKept(answer.json.results[0].upload.id, kept)
  })

  test.each([
    ['NUL', `${named}"a\0b"`],
    ['NUL in filename*', `${named}"a"; filename*=UTF-8''a%00b`],
    ['a carriage return alone', `${named}"a\rX: y"`],
    ['a line feed alone', `${named}"a\nX: y"`],
    ['a name that has no end', `${named}"a`],
    ['two names', `${named}"a"; filename="b"`],
    ['a name in pieces', `${named.slice(0, -9)}filename*0="a"; filename*1="b"`],
  ])('with %s is refused', async (_title, line) => {
    expectProblem(await rawForm(line), 400, 'multipart-malformed')
  })

  test.each([
    ['CR LF, percent-encoded', 'text/plain%0d%0aX-Injected: y', 'text/plain'],
    ['parameters', 'text/plain; x="\\"\\r\\nX: y"', 'text/plain'],
    ['markup', '<script>/x', 'text/plain'],
    ['a comma', 'text/html, text/plain', 'text/plain'],
    ['letters beyond ASCII', 'text/plaïn', 'text/plain'],
    ['a NUL, percent-encoded', 'text/html%00', 'text/plain'],
    ['4 KB', `text/${'x'.repeat(4096)}`, null],
  ])('declares a type with %s, and injects nothing', async (_title, declared, type) => {
    const answer = await rawForm(`${named}"a.txt"`, `Content-Type: ${declared}`)
    expect(answer.status, answer.text).toBeLessThan(500)
    if (answer.status !== 202) return expect(type).toBeNull()
    const { upload } = answer.json.results[0]
    if (type !== null) expect(upload.type).toBe(type)
    await expectKept(upload.id, 'a.txt')
  })
})

test('the values of metadata come back as they were, and reach no header', async () => {
  const hostile = {
    a: 'x\r\nSet-Cookie: y=z',
    b: '\u202e\u200b\0\u2028',
    'c"; d': "</script>'%0d%0a\\",
    é: '👨‍👩‍👧‍👦',
    __proto: '..',
  }
  const value = fc.oneof(fc.string({ unit: 'binary', maxLength: 40 }), fc.constantFrom(...Object.values(hostile)))
  const anything = fc.dictionary(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 10 }), value, {
    maxKeys: 5,
    noNullPrototype: true,
  })
  await fc.assert(
    fc.asyncProperty(anything, async (metadata) => {
      fc.pre(!Object.hasOwn(metadata, '__proto__'))
      const form = await postForm(domain.origin, [field('metadata', JSON.stringify(metadata)), file('a.txt', 'abc')])
      expectStatus(form, 202)
      const { upload } = form.json.results[0]
      expect(upload.metadata).toEqual(metadata)
      expect((await call('GET', `${domain.origin}/v1/uploads/${upload.id}`)).json.metadata).toEqual(metadata)
      await expectKept(upload.id, 'a.txt')
    }),
    { seed: 8259, numRuns: 40, examples: [[hostile]] },
  )
}, 60_000)
