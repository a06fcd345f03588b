import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { parse as parseDisposition } from 'content-disposition'
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { boundary, type FormPart, formBody, multipartType, noise, sha256 } from '../support/e2e/bodies.ts'
import {
  call,
  chunkedBody,
  completeUpload,
  execute,
  expectProblem,
  expectStatus,
  field,
  file,
  heldExactly,
  holdings,
  jobsDone,
  makeDomain,
  nothingHeld,
  postForm,
  putFile,
  rowOf,
  type TestDomain,
  upload,
  waitForStatus,
} from '../support/workers/client.ts'
import * as samples from '../support/workers/samples.ts'

vi.setConfig({ testTimeout: 30_000 })
afterAll(jobsDone, 120_000)

const kibibyte = 1024
const mebibyte = 1024 * kibibyte
const partBytes = 5 * mebibyte

/** What the store holds of a file, read past the HTTP interface's own checks of status. */
async function contentOf(domain: TestDomain, id: string): Promise<Buffer> {
  await waitForStatus(domain, id)
  const answer = await call('GET', `${domain.origin}/v1/uploads/${id}/content`)
  expectStatus(answer, 200)
  return Buffer.from(answer.bytes)
}

const digestField = (algorithm: 'sha256' | 'sha512', bytes: Uint8Array) =>
  `sha-${algorithm.slice(3)}=:${createHash(algorithm).update(bytes).digest('base64')}:`

describe('a refused or broken form', () => {
  let domain: TestDomain
  beforeEach(async () => {
    domain = await makeDomain({ maxFileBytes: 6 * mebibyte, maxFilesPerRequest: 3 })
  })

  const large = noise(partBytes + 100)
  const broken: [name: string, body: Buffer, code: string, status: number][] = [
    [
      'ends within a small file',
      partsOf(file('a', 'abc'), file('b', 'def')).subarray(0, -30),
      'multipart-malformed',
      400,
    ],
    [
      'ends within a large file',
      partsOf(file('a', 'abc'), file('b', large)).subarray(0, -60),
      'multipart-malformed',
      400,
    ],
    ['ends before its first part', Buffer.from(`--${boundary}\r\n`), 'multipart-malformed', 400],
    ['is empty', Buffer.alloc(0), 'multipart-malformed', 400],
    ['has a part without a name', rawForm('Content-Disposition: form-data\r\n\r\nabc'), 'multipart-malformed', 400],
    ['has a part without headers', rawForm('\r\nabc'), 'multipart-malformed', 400],
    [
      'has a broken part behind a large file',
      Buffer.concat([partsOf(file('a', large)).subarray(0, -4), Buffer.from('\r\nnonsense\r\n\r\n')]),
      'multipart-malformed',
      400,
    ],
    ['has no file', partsOf(field('note', 'nothing here')), 'no-file', 400],
    ['has no parts', Buffer.from(`--${boundary}--\r\n`), 'no-file', 400],
    ['has a file input without a choice only', partsOf(file('', '')), 'no-file', 400],
    ['has a file without a name', partsOf(file('a', 'abc'), file('', 'def')), 'request-invalid', 400],
    [
      'has too many files, the first ones large',
      partsOf(file('a', large), file('b', 'b'), file('c', 'c'), file('d', 'd')),
      'too-many-files',
      413,
    ],
    ['has too long a field', partsOf(file('a', 'abc'), field('metadata', 'x'.repeat(20_000))), 'multipart-limit', 413],
    ['has too many parts', partsOf(file('a', 'a'), ...Array(2000).fill(field('x', ''))), 'multipart-limit', 413],
    [
      'has headers without end',
      rawForm(`Content-Disposition: form-data; name="a"\r\nX-A: ${'x'.repeat(8 * 1024)}\r\n\r\nabc`),
      'multipart-limit',
      413,
    ],
  ]

  test('may say a filename as long as there are, escaped and twice', async () => {
    const name = encodeURIComponent('🚢'.repeat(251))
    const disposition = `form-data; name="file"; filename="${name}.txt"; filename*=UTF-8''${name}.txt`
    const answer = await call('POST', `${domain.origin}/v1/uploads`, {
      headers: { 'content-type': multipartType },
      body: rawForm(`Content-Disposition: ${disposition}\r\nContent-Type: text/plain\r\n\r\nabc`),
    })
    expectStatus(answer, 202)
    expect(answer.json.results[0].upload.filename).toBe(`${'🚢'.repeat(62)}.txt`)
  })

  test.each(broken)('that %s stores nothing', async (_name, body, code, status) => {
    const answer = await call('POST', `${domain.origin}/v1/uploads`, {
      headers: { 'content-type': multipartType },
      body,
    })
    const problem = expectProblem(answer, status, code)
    if (status === 413) expect(problem.limit).toEqual(expect.any(Number))
    expect(await holdings(domain)).toEqual(nothingHeld)
  })

  test.each([
    ['no type', undefined],
    ['another type', 'application/json'],
    ['another multipart type', 'multipart/mixed; boundary=x'],
  ])('with %s is 415', async (_name, type) => {
    const body = partsOf(file('a', 'abc'))
    const answer = await call('POST', `${domain.origin}/v1/uploads`, { body, headers: { 'content-type': type ?? '' } })
    expectProblem(answer, 415, 'content-type-unsupported')
  })

  test.each([
    'multipart/form-data',
    'multipart/form-data; boundary=',
    `multipart/form-data; boundary=${'b'.repeat(71)}`,
  ])('with the type %s is malformed', async (type) => {
    const answer = await call('POST', `${domain.origin}/v1/uploads`, {
      body: partsOf(file('a', 'abc')),
      headers: { 'content-type': type },
    })
    expectProblem(answer, 400, 'multipart-malformed')
  })

  test.each([false, true])(
    'whose connection breaks off leaves nothing; while a large file comes in: %s',
    async (isLarge) => {
      const body = partsOf(file('a', 'abc'), file('b', large))
      const { readable, writable } = new FixedLengthStream(body.length)
      const writer = writable.getWriter()
      const answering = call('POST', `${domain.origin}/v1/uploads`, {
        headers: { 'content-type': multipartType },
        body: readable,
      })
      await writer.write(body.subarray(0, isLarge ? body.length - 90 : 5_000))
      await writer.abort(new Error('gone'))
      expectProblem(await answering, 400, 'body-incomplete')
      expect(await holdings(domain)).toEqual(nothingHeld)
    },
  )

  test('whose raw body breaks off leaves nothing', async () => {
    const { readable, writable } = new FixedLengthStream(large.length)
    const writer = writable.getWriter()
    const answering = putFile(domain.origin, 'a', readable)
    await writer.write(large.subarray(0, -1))
    await writer.abort(new Error('gone'))
    expectProblem(await answering, 400, 'body-incomplete')
    expect(await holdings(domain)).toEqual(nothingHeld)
  })
})

describe('limits of a policy', () => {
  const limit = 1000
  let domain: TestDomain

  test.each([
    ['below', limit - 1, true],
    ['at', limit, true],
    ['above', limit + 1, false],
  ])('a file just %s the largest size', async (_name, size, fits) => {
    const content = noise(size)
    const ways = {
      raw: (at: TestDomain) => putFile(at.origin, 'a', content),
      chunked: (at: TestDomain) => putFile(at.origin, 'a', chunkedBody(content, 300)),
      form: (at: TestDomain) => postForm(at.origin, [file('a', content)]),
    }
    for (const send of Object.values(ways)) {
      domain = await makeDomain({ maxFileBytes: limit })
      const answer = await send(domain)
      if (fits) expectStatus(answer, 202)
      else
        expect(expectProblem(answer, 413, 'file-too-large')).toMatchObject({ limit, value: limit + 1, filename: 'a' })
      expect(await holdings(domain)).toEqual(fits ? heldExactly(size) : nothingHeld)
    }
  })

  test.each([partBytes, 2 * partBytes])('a large file at and one above a limit of %i bytes', async (bytes) => {
    domain = await makeDomain({ maxFileBytes: bytes })
    const content = noise(bytes + 1)
    expectProblem(await putFile(domain.origin, 'a', content), 413, 'file-too-large')
    expectProblem(await putFile(domain.origin, 'a', chunkedBody(content)), 413, 'file-too-large')
    expectProblem(await postForm(domain.origin, [file('a', content)]), 413, 'file-too-large')
    expect(await holdings(domain)).toEqual(nothingHeld)
    expectStatus(await putFile(domain.origin, 'a', chunkedBody(content.subarray(1))), 202)
    expect(await holdings(domain)).toEqual(heldExactly(bytes))
  })

  test('no bytes at all may be the largest size', async () => {
    domain = await makeDomain({ maxFileBytes: 0 })
    expectStatus(await putFile(domain.origin, 'a', ''), 202)
    expectProblem(await putFile(domain.origin, 'a', 'x'), 413, 'file-too-large')
    expect(await holdings(domain)).toEqual(heldExactly(0))
  })

  test('a request just at and one above its largest size', async () => {
    const body = partsOf(file('a', noise(500)), file('b', noise(500)))
    const send = (at: TestDomain, sent: Buffer | ReadableStream) =>
      call('POST', `${at.origin}/v1/uploads`, { headers: { 'content-type': multipartType }, body: sent })
    const exact = await makeDomain({ maxRequestBytes: body.length })
    expectStatus(await send(exact, body), 202)
    expectStatus(await send(exact, chunkedBody(body, 100)), 202)
    const less = await makeDomain({ maxRequestBytes: body.length - 1 })
    for (const sent of [body, chunkedBody(body, 100)]) {
      expect(expectProblem(await send(less, sent), 413, 'request-too-large')).toMatchObject({
        limit: body.length - 1,
        value: body.length,
      })
    }
    expect(await holdings(less)).toEqual(nothingHeld)
    expectProblem(await putFile(less.origin, 'a', noise(body.length)), 413, 'request-too-large')
  })

  test('as many files as it takes, and one more', async () => {
    const files = Array.from({ length: 51 }, (_, index) => file(`${index}.txt`, `file ${index}`))
    domain = await makeDomain({ maxFilesPerRequest: 50 })
    const refused = await postForm(domain.origin, files)
    expect(expectProblem(refused, 413, 'too-many-files')).toMatchObject({ limit: 50 })
    expect(await holdings(domain)).toEqual(nothingHeld)

    const answer = await postForm(domain.origin, files.slice(0, 50))
    expectStatus(answer, 202)
    expect(answer.headers.get('location')).toBeNull()
    const { results } = answer.json
    expect(results.map((result: { upload: { filename: string } }) => result.upload.filename)).toEqual(
      files.slice(0, 50).map((sent) => sent.filename),
    )
    expect(new Set(results.map((result: { upload: { id: string } }) => result.upload.id)).size).toBe(50)
    await Promise.all(results.map(({ upload }: { upload: { id: string } }) => waitForStatus(domain, upload.id)))
    expect(await contentOf(domain, results[49].upload.id)).toEqual(Buffer.from('file 49'))
  })
})

describe('every byte of a file arrives', () => {
  const sizes = [
    0,
    1,
    64 * kibibyte - 1,
    64 * kibibyte,
    64 * kibibyte + 1,
    mebibyte - 1,
    mebibyte,
    mebibyte + 1,
    partBytes - 1,
    partBytes,
    partBytes + 1,
    2 * partBytes - 1,
    2 * partBytes,
    2 * partBytes + 1,
    3 * partBytes,
  ]

  test.each(sizes)('of %i bytes, raw, chunked and in a form', async (size) => {
    const content = noise(size, size)
    const domain = await makeDomain()
    const raw = await putFile(domain.origin, 'a', content)
    const chunked = await putFile(domain.origin, 'a', chunkedBody(content, 40_000))
    const form = await postForm(domain.origin, [file('a', content)])
    for (const answer of [raw, chunked, form]) {
      expectStatus(answer, 202)
      const made = answer.json.results?.[0].upload ?? answer.json
      expect(made).toMatchObject({
        size,
        sha256: sha256(content),
        status: 'pending',
        protocol: answer === form ? 'multipart' : 'raw',
        generation: 1,
        attempts: 0,
        failure: null,
        metadata: {},
        completedAt: null,
        domain: domain.slug,
      })
      expect(answer.headers.get('location')).toBe(`${domain.origin}/v1/uploads/${made.id}`)
      expect((await contentOf(domain, made.id)).equals(content)).toBe(true)
      const { events } = await rowOf(made.id)
      // Of a file that fills its first part exactly, nobody knows yet whether more follows.
      if (size !== partBytes) expect(events.includes('uploading')).toBe(size > partBytes)
      expect(events.filter((event) => event !== 'uploading')).toEqual(['pending', 'processing', 'complete'])
    }
    expect(await holdings(domain)).toEqual(heldExactly(size, size, size))
  })

  test('of small and large files together, in the order sent', async () => {
    const domain = await makeDomain()
    const contents = [noise(10, 1), noise(2 * partBytes + 7, 2), noise(0), noise(partBytes + 1, 3), noise(70_000, 4)]
    const answer = await postForm(
      domain.origin,
      contents.flatMap((content, index) => [file(`file-${index}`, content), field(`note-${index}`, 'between')]),
    )
    expectStatus(answer, 202)
    const { results } = answer.json
    expect(results.map((result: { upload: { size: number } }) => result.upload.size)).toEqual(
      contents.map((content) => content.length),
    )
    for (const [index, content] of contents.entries()) {
      expect((await contentOf(domain, results[index].upload.id)).equals(content)).toBe(true)
    }
    expect(await holdings(domain)).toEqual(heldExactly(...contents.map((content) => content.length)))
  })
})

describe('a form of which some files are refused', () => {
  test('is 207 and keeps the others, in the order sent', async () => {
    const domain = await makeDomain({ maxFileBytes: partBytes + 10 })
    const large = noise(partBytes + 10)
    const answer = await postForm(domain.origin, [
      file('first.txt', 'fine'),
      file('too-large', noise(partBytes + 11)),
      file('large', large),
      file('fake.png', samples.html, 'image/png'),
      file('last.txt', 'fine too'),
    ])
    expectStatus(answer, 207)
    const readToken = expect.stringMatching(/^stvt_/)
    expect(answer.json.results).toEqual([
      { upload: expect.objectContaining({ filename: 'first.txt', status: 'pending' }), readToken },
      { filename: 'too-large', problem: expect.objectContaining({ code: 'file-too-large', limit: partBytes + 10 }) },
      { upload: expect.objectContaining({ filename: 'large', sha256: sha256(large) }), readToken },
      { filename: 'fake.png', problem: expect.objectContaining({ code: 'type-contradicted' }) },
      { upload: expect.objectContaining({ filename: 'last.txt' }), readToken },
    ])
    for (const result of answer.json.results) {
      if (result.problem) expect(result.problem.requestId).toBe(answer.headers.get('x-request-id'))
    }
    expect(await holdings(domain)).toEqual(heldExactly(4, large.length, 8))
  })

  test('is refused with the first status when none is left, and tells of each', async () => {
    const domain = await makeDomain({ maxFileBytes: 10 })
    const answer = await postForm(domain.origin, [
      file('fake.png', samples.html.subarray(0, 10), 'image/png'),
      file('long', noise(11)),
    ])
    expect(expectProblem(answer, 415, 'type-contradicted').results).toEqual([
      { filename: 'fake.png', problem: expect.objectContaining({ code: 'type-contradicted', status: 415 }) },
      { filename: 'long', problem: expect.objectContaining({ code: 'file-too-large', status: 413 }) },
    ])
    expect(await holdings(domain)).toEqual(nothingHeld)
  })

  test.each([
    ['is read on while a file of it is accepted', [file('first.txt', 'fine')], 66, 207, 3],
    ['is read on while less than 64 MiB are passed', [], 62, 207, 2],
    ['is answered when more is passed and nothing accepted, whatever comes behind it', [], 66, 413, 1],
  ])('%s', async (_name, before, mebibytes, status, results) => {
    const domain = await makeDomain({ maxFileBytes: mebibyte })
    const form = formBody([...before, file('too-large', noise(mebibytes * mebibyte)), file('last.txt', 'fine too')])
    const answer = await call('POST', `${domain.origin}/v1/uploads`, {
      headers: { 'content-type': multipartType },
      body: form,
    })
    expectStatus(answer, status)
    expect(answer.json.results).toHaveLength(results)
    expect(answer.json.results.at(before.length)).toMatchObject({
      filename: 'too-large',
      problem: { code: 'file-too-large', limit: mebibyte },
    })
    expect((await holdings(domain)).rows).toBe(results - 1)
  })

  test('gives Location for one file only', async () => {
    const domain = await makeDomain()
    const one = await postForm(domain.origin, [file('a', 'a'), file('', '')])
    expect(one.headers.get('location')).toBe(`${domain.origin}/v1/uploads/${one.json.results[0].upload.id}`)
    const two = await postForm(domain.origin, [file('a', 'a'), file('b', 'b')])
    expect(two.headers.get('location')).toBeNull()
    expect(one.json.results).toHaveLength(1)
    expect(two.json.results).toHaveLength(2)
  })
})

describe('digests', () => {
  let domain: TestDomain
  beforeEach(async () => {
    domain = await makeDomain()
  })
  const content = Buffer.from('one box of oranges')
  const other = Buffer.from('another box')
  const right256 = digestField('sha256', content)
  const right512 = digestField('sha512', content)
  const wrong = digestField('sha256', other)
  const wrong512 = digestField('sha512', other)

  test.each([
    ['Content-Digest', { 'content-digest': wrong }, 422, 'digest-mismatch'],
    ['Repr-Digest', { 'repr-digest': wrong }, 422, 'digest-mismatch'],
    ['sha-512', { 'content-digest': wrong512 }, 422, 'digest-mismatch'],
    ['one of two', { 'content-digest': `${right256}, ${wrong512}` }, 422, 'digest-mismatch'],
    ['two that differ', { 'content-digest': right256, 'repr-digest': wrong }, 400, 'digest-invalid'],
    ['no base64', { 'content-digest': 'sha-256=:%%%:' }, 400, 'digest-invalid'],
    ['hexadecimal', { 'content-digest': `sha-256=${sha256(content)}` }, 400, 'digest-invalid'],
    ['too short', { 'repr-digest': 'sha-256=:AAAA:' }, 400, 'digest-invalid'],
    ['sha-256 in place of sha-512', { 'repr-digest': right256.replace('256', '512') }, 400, 'digest-invalid'],
    ['nothing but a name', { 'content-digest': 'sha-256' }, 400, 'digest-invalid'],
  ])('a wrong raw one is refused: %s', async (_name, headers, status, code) => {
    expectProblem(await putFile(domain.origin, 'a', content, { headers }), status, code)
    expect(await holdings(domain)).toEqual(nothingHeld)
  })

  test('a wrong one of a large body leaves no object, row or part', async () => {
    const large = noise(partBytes + 1)
    const headers = { 'content-digest': wrong }
    expectProblem(await putFile(domain.origin, 'a', large, { headers }), 422, 'digest-mismatch')
    expectProblem(await postForm(domain.origin, [file('a', large)], { headers }), 422, 'digest-mismatch')
    const parts = [file('a', large, undefined, [`Content-Digest: ${wrong}`])]
    expectProblem(await postForm(domain.origin, parts), 422, 'digest-mismatch')
    expect(await holdings(domain)).toEqual(nothingHeld)
  })

  test.each([
    ['sha-256', { 'content-digest': right256 }],
    ['sha-512', { 'repr-digest': right512 }],
    ['both in one field', { 'content-digest': `${right256}, ${right512}` }],
    ['the same in both fields', { 'content-digest': right256, 'repr-digest': right256 }],
    ['an algorithm in capitals', { 'content-digest': right256.replace('sha', 'SHA') }],
    ['beside one that is not known', { 'content-digest': `unixsum=:AAAA:, md5=:AAAA:, ${right256}` }],
    ['only one that is not known', { 'content-digest': 'md5=:AAAA:' }],
  ])('a right raw one is accepted: %s', async (_name, headers) => {
    const here = await makeDomain()
    expectStatus(await putFile(here.origin, 'a', content, { headers }), 202)
  })

  test('of a whole form, and of its parts', async () => {
    const here = await makeDomain()
    const right = file('right', content, undefined, [`Content-Digest: ${right512}`])
    const parts = [right, file('wrong', content, undefined, [`Content-Digest: ${wrong}`])]
    const body = partsOf(...parts)
    const mixed = await postForm(here.origin, parts, { headers: { 'content-digest': digestField('sha256', body) } })
    expectStatus(mixed, 207)
    expect(mixed.json.results).toMatchObject([
      { upload: { filename: 'right' } },
      { problem: { code: 'digest-mismatch' } },
    ])
    expect(await holdings(here)).toEqual(heldExactly(content.length))

    const headers = { 'content-digest': right256 }
    expectProblem(await postForm(domain.origin, [right], { headers }), 422, 'digest-mismatch')
    const malformed = file('a', content, undefined, ['Content-Digest: what?'])
    expectProblem(await postForm(domain.origin, [right, malformed]), 400, 'digest-invalid')
    expect(await holdings(domain)).toEqual(nothingHeld)
  })
})

describe('metadata', () => {
  const size2048 = { note: 'x'.repeat(2048 - '{"note":""}'.length) }

  test.each([
    ['no JSON', 'box=1'],
    ['cut JSON', '{"a":'],
    ['nothing', ''],
    ['an array', '["a"]'],
    ['a text', '"a"'],
    ['null', 'null'],
    ['a number inside', '{"box":1}'],
    ['null inside', '{"box":null}'],
    ['an object inside', '{"box":{"a":"b"}}'],
    ['an empty name', '{"":"a"}'],
    ['a name that is too long', JSON.stringify({ ['n'.repeat(101)]: '' })],
    ['more than 2 KB', JSON.stringify({ note: `${size2048.note}x` })],
    ['more than 2 KB of two-byte characters', JSON.stringify({ note: 'é'.repeat(1024) })],
  ])('that is wrong is 422, before or after the file: %s', async (_name, metadata) => {
    const domain = await makeDomain()
    const parts = [field('metadata', metadata), file('a', 'abc')]
    expectProblem(await postForm(domain.origin, parts), 422, 'metadata-invalid')
    expectProblem(await postForm(domain.origin, parts.reverse()), 422, 'metadata-invalid')
    expect(await holdings(domain)).toEqual(nothingHeld)
  })

  test.each([
    ['nothing in it', {}],
    ['some strings', { invoice: '4711', 'für wen': 'Łódź 🚢', constructor: 'x' }],
    ['a large text', size2048],
    ['a text that looks like markup', { x: '"></script>' }],
  ])('is kept for every file: %s', async (_name, metadata) => {
    const domain = await makeDomain()
    const answer = await postForm(domain.origin, [
      file('a', 'abc'),
      field('metadata', JSON.stringify(metadata)),
      file('b', 'abc'),
    ])
    expectStatus(answer, 202)
    for (const { upload } of answer.json.results) {
      expect(upload.metadata).toEqual(metadata)
      expect((await waitForStatus(domain, upload.id)).metadata).toEqual(metadata)
    }
  })

  test('named __proto__ changes nothing', async () => {
    const domain = await makeDomain()
    const answer = await postForm(domain.origin, [file('a', 'a'), field('metadata', '{"__proto__":"x","a":"b"}')])
    expect(answer.status).toBeLessThan(500)
    expect(({} as Record<string, unknown>).a).toBeUndefined()
  })
})

describe('filenames', () => {
  const long = 'ä'.repeat(2000)
  const names: [name: string, sent: string, kept: string][] = [
    ['plain', 'rates.txt', 'rates.txt'],
    ['with spaces and signs', "a b's (1) #%+&;=~.txt", "a b's (1) #%+&;=~.txt"],
    ['with quotes', 'the "best".txt', 'the "best".txt'],
    ['Unicode', 'Frachtbrief für Łódź – 日本 🚢.txt', 'Frachtbrief für Łódź – 日本 🚢.txt'],
    ['decomposed', 'u\u0308ber.txt', 'über.txt'],
    ['a path', '../../etc/passwd', 'passwd'],
    ['a Windows path', 'C:\\temp\\..\\evil.exe', 'evil.exe'],
    ['a path and nothing else', '/', 'unnamed'],
    ['dots', '..', 'unnamed'],
    ['blank', ' \t ', 'unnamed'],
    ['line breaks', 'a\r\nSet-Cookie: x=y\r\n.txt', 'aSet-Cookie: x=y.txt'],
    ['text turned around', 'invoice\u202excod.exe', 'invoicexcod.exe'],
    ['isolates', '\u2066a\u2069.txt', 'a.txt'],
    ['reserved on Windows', 'CON', 'CON'],
    ['a member of every object', '__proto__', '__proto__'],
    ['percent signs', '100%25 %zz.txt', '100%25 %zz.txt'],
    ['4 KB', `${long}.tar.gz`, `${'ä'.repeat(126)}.gz`],
    ['4 KB without an extension', long, 'ä'.repeat(127)],
    ['4 KB of extension', `a.${long}`, `a.${'ä'.repeat(126)}`],
    ['four-byte characters to the limit', '🚢'.repeat(70), '🚢'.repeat(63)],
  ]

  /** A file as browsers write it, whatever is in its name. */
  const asBrowsers = (name: string) =>
    file(name.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A'), 'abc')

  test.each(names)('%s', async (_name, sent, kept) => {
    const domain = await makeDomain()
    const form = await postForm(domain.origin, [asBrowsers(sent)])
    expectStatus(form, 202)
    expect(form.json.results[0].upload.filename).toBe(kept)
    const raw = await putFile(domain.origin, sent, 'abc')
    // A URL resolves the segments `.` and `..` before anybody sees them.
    if (sent !== '..') {
      expectStatus(raw, 202)
      expect(raw.json.filename).toBe(kept)
    }
    await expectServedAs(domain, form.json.results[0].upload.id, kept)
    const objects = await rowOf(form.json.results[0].upload.id)
    expect(objects.object_key).toBe(`${objects.id}/${domain.id}`)
  })

  test('NUL and other controls are left out of a raw one, and refused in a form', async () => {
    const domain = await makeDomain()
    const raw = await putFile(domain.origin, 'a\0b\u0007\u009f.txt', 'abc')
    expectStatus(raw, 202)
    expect(raw.json.filename).toBe('ab.txt')
    expectProblem(await postForm(domain.origin, [file('a\0b', 'abc')]), 400, 'multipart-malformed')
  })

  test('by RFC 8187 in a form', async () => {
    const domain = await makeDomain()
    const head = `Content-Disposition: form-data; name="f"; filename="x"; filename*=UTF-8''na%C3%AFve%2F..%2F%0D%0Aa.txt`
    const answer = await call('POST', `${domain.origin}/v1/uploads`, {
      headers: { 'content-type': multipartType },
      body: rawForm(`${head}\r\n\r\nabc`),
    })
    expectStatus(answer, 202)
    expect(answer.json.results[0].upload.filename).toBe('a.txt')
  })

  test('a percent sign that encodes nothing, or no UTF-8, is refused', async () => {
    const domain = await makeDomain()
    for (const name of ['100%ZZ.txt', '100%', '%ff.txt', '%c3.txt']) {
      expectProblem(await call('PUT', `${domain.origin}/v1/uploads/${name}`, { body: 'abc' }), 400, 'request-invalid')
    }
    expect(await holdings(domain)).toEqual(nothingHeld)
  })

  test('a name that got into the database by another way still injects nothing', async () => {
    const domain = await makeDomain()
    const { id } = await completeUpload(domain, 'abc')
    for (const name of ['a"; filename=evil.exe', 'a\\', "'", '%0d%0a', 'ä"\\ö']) {
      await execute('UPDATE uploaded_files SET filename = ? WHERE id = ?', name, id)
      await expectServedAs(domain, id, name)
    }
  })

  async function expectServedAs(domain: TestDomain, id: string, name: string) {
    await waitForStatus(domain, id)
    const answer = await call('HEAD', `${domain.origin}/v1/uploads/${id}/content`)
    expectStatus(answer, 200)
    const header = answer.headers.get('content-disposition') ?? ''
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(header).not.toMatch(/[\x00-\x1f\x7f-\uffff]/)
    const { type, parameters } = parseDisposition(header)
    expect(parameters.filename).toBe(name)
    expect(['inline', 'attachment']).toContain(type)
    expect(['filename', 'filename*']).toEqual(expect.arrayContaining(Object.keys(parameters)))
    expect(answer.headers.get('set-cookie')).toBeNull()
  }
})

describe('field names', () => {
  test('do not matter for files, and unknown fields are passed over', async () => {
    const domain = await makeDomain()
    const answer = await postForm(domain.origin, [
      field('anything', 'x'.repeat(100_000)),
      { name: 'photo[]', filename: 'a', content: 'a' },
      { name: '', filename: 'b', content: 'b' },
      { name: 'metadata', filename: 'c', content: 'c' },
      { name: 'domain', filename: 'd', content: 'd' },
    ])
    expectStatus(answer, 202)
    expect(answer.json.results).toHaveLength(4)
    expect(answer.json.results[2].upload.metadata).toEqual({})
  })
})

test('the same bytes twice are two uploads', async () => {
  const domain = await makeDomain()
  const [first, second] = [await upload(domain, 'abc'), await upload(domain, 'abc')]
  expect(first.id).not.toBe(second.id)
  expect(first.sha256).toBe(second.sha256)
  expect(await holdings(domain)).toEqual(heldExactly(3, 3))
})

/** The body of a form with these parts. */
function partsOf(...parts: FormPart[]): Buffer {
  return formBody(parts)
}

/** A form of one part, written out after its delimiter. */
function rawForm(part: string): Buffer {
  return Buffer.from(`--${boundary}\r\n${part}\r\n--${boundary}--\r\n`)
}
