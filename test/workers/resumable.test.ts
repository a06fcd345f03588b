import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { noise } from '../support/e2e/bodies.ts'
import { partBytes } from '../support/sizes.ts'
import {
  type Answer,
  adminToken,
  type Call,
  call,
  chunkedBody,
  expectProblem,
  expectStatus,
  file,
  heldExactly,
  holdings,
  jobsDone,
  makeDomain,
  nothingHeld,
  postForm,
  putFile,
  type TestDomain,
} from '../support/workers/client.ts'
import { expectFile } from '../support/workers/expect-file.ts'
import { append, begin, begun, complete, retrieve, stateOf } from '../support/workers/resumable.ts'
import * as samples from '../support/workers/samples.ts'
import { tamper } from '../support/workers/sessions.ts'
import { askForToken } from '../support/workers/tokens.ts'
import { created, idOf, patch } from '../support/workers/tus.ts'

vi.setConfig({ testTimeout: 30_000 })
afterAll(jobsDone, 120_000)

const digest = (algorithm: 'sha-256' | 'sha-512', bytes: Uint8Array | string) =>
  `${algorithm}=:${createHash(algorithm.replace('-', '')).update(bytes).digest('base64')}:`

const problemType = (name: string) => `https://iana.org/assignments/http-problem-types#${name}`

const limitsOf = ({ headers }: Answer) => headers.get('upload-limit')

describe('creation', () => {
  test('a careful one tells where to go on, and within which limits', async () => {
    const domain = await makeDomain({ maxFileBytes: 1000 })
    const answer = await begin(domain.origin, false, { headers: { 'upload-length': '10' } })
    expectStatus(answer, 201)
    expect(stateOf(answer)).toEqual({ offset: 0, complete: '?0', length: 10 })
    expect(limitsOf(answer)).toMatch(/^max-size=1000, max-append-size=\d+, max-age=86(400|39\d)$/)
    const url = answer.headers.get('location')!
    expect(url).toMatch(new RegExp(`^${domain.origin}/v1/resumable/[0-9a-f-]{36}$`))
    const again = await begin(domain.origin, false)
    expect(again.headers.get('location')).not.toBe(url)
    expect(stateOf(again).length).toBeNull()
  })

  test('one with the first bytes keeps them', async () => {
    const domain = await makeDomain()
    const bytes = noise(partBytes + 100)
    const answer = await begin(domain.origin, false, { body: bytes.subarray(0, partBytes + 7) })
    expectStatus(answer, 201)
    expect(stateOf(answer)).toEqual({ offset: partBytes + 7, complete: '?0', length: null })
    const url = answer.headers.get('location')!
    expectStatus(await append(url, partBytes + 7, bytes.subarray(partBytes + 7), true), 202)
    await expectFile(domain, idOf(url), bytes)
  })

  test('one with all bytes is an upload like any other', async () => {
    const domain = await makeDomain()
    const answer = await begin(domain.origin, true, { body: 'abc', headers: { 'upload-length': '3' } })
    expectStatus(answer, 202)
    expect(stateOf(answer)).toEqual({ offset: 3, complete: '?1', length: 3 })
    expect(answer.json).toMatchObject({ size: 3, filename: 'unnamed', protocol: 'raw', status: 'pending' })
    expect(answer.headers.get('location')).toBe(answer.json.links.self)
    await expectFile(domain, answer.json.id, Buffer.from('abc'))
  })

  test('one of no bytes at all is complete with ?1 only', async () => {
    const domain = await makeDomain()
    const answer = await begin(domain.origin, true)
    expectStatus(answer, 202)
    expect(answer.json.size).toBe(0)
    const url = await begun(domain, 0)
    expect(stateOf(await retrieve(url))).toEqual({ offset: 0, complete: '?0', length: 0 })
    expectStatus(await append(url, 0, undefined, true), 202)
    expect(stateOf(await retrieve(url))).toEqual({ offset: 0, complete: '?1', length: 0 })
    await expectFile(domain, idOf(url), Buffer.alloc(0))
  })

  test('name, type, metadata and domain come as fields', async () => {
    const domain = await makeDomain()
    const headers = {
      'content-disposition': 'inline; filename="crane.txt"; filename*=UTF-8\'\'K%C3%B8benhavn.txt',
      'content-type': 'text/plain; charset=utf-8',
      'x-upload-metadata': '{"dock":"7"}',
      'x-upload-domain': domain.slug,
    }
    const answer = await begin('http://localhost', false, { headers, key: adminToken })
    expectStatus(answer, 201)
    const url = answer.headers.get('location')!
    expect(url).toMatch(new RegExp(`^http://localhost/v1/resumable/[0-9a-f-]{36}\\?domain=${domain.slug}$`))
    const done = await append(url, 0, 'abc', true, { key: adminToken })
    expectStatus(done, 202)
    expect(done.json).toMatchObject({
      domain: domain.slug,
      filename: 'København.txt',
      declaredType: 'text/plain',
      type: 'text/plain',
      metadata: { dock: '7' },
      protocol: 'resumable',
    })
    const plain = await begin(domain.origin, true, {
      headers: { 'content-disposition': 'attachment; filename=a.txt' },
      body: 'abc',
    })
    expect(plain.json.filename).toBe('a.txt')
    for (const unreadable of ['inline; filename="a', ';;', 'inline; filename*=x']) {
      const headers = { 'content-disposition': unreadable }
      expect((await begin(domain.origin, true, { headers, body: 'abc' })).json.filename).toBe('unnamed')
    }
  })

  test('who has no key can follow the upload from then on', async () => {
    const domain = await makeDomain({ publicRead: false })
    const answer = await begin(domain.origin, false)
    const key = answer.headers.get('x-read-token')!
    expect(answer.headers.get('cache-control')).toBe('no-store')
    const status = await call('GET', `${domain.origin}/v1/uploads/${idOf(answer.headers.get('location')!)}/status`, {
      key,
    })
    expect(status.json).toMatchObject({ status: 'uploading', received: { bytes: 0, ofBytes: null } })
    expect((await begin(domain.origin, false, { key: adminToken })).headers.get('x-read-token')).toBeNull()
  })

  test('a label for appends says nothing of the file', async () => {
    const domain = await makeDomain()
    const headers = { 'content-type': 'application/partial-upload' }
    const answer = await begin(domain.origin, false, { headers, body: samples.png(4, 3) })
    const url = answer.headers.get('location')!
    const done = await append(url, stateOf(answer).offset!, undefined, true)
    expect(done.json).toMatchObject({ type: 'image/png', declaredType: null })
  })

  test('a body that breaks off leaves nothing behind: nobody has learned where it would go on', async () => {
    const domain = await makeDomain()
    for (const isComplete of [true, false]) {
      const { readable, writable } = new FixedLengthStream(partBytes + 10)
      const writer = writable.getWriter()
      const answering = begin(domain.origin, isComplete, { body: readable })
      await writer.write(noise(partBytes + 5))
      await writer.abort(new Error('gone'))
      expectProblem(await answering, 400, 'body-incomplete')
      expect(await holdings(domain)).toEqual(nothingHeld)
    }
  })

  test('Upload-Complete has to be there, and one that is no Boolean is as good as none', async () => {
    const { origin } = await makeDomain()
    for (const value of [undefined, 'true', '1', '?2', '?1, ?0', '"?1"', '??1', '?1;']) {
      const headers = value === undefined ? {} : { 'upload-complete': value }
      expectProblem(await call('POST', `${origin}/v1/resumable`, { headers }), 400, 'request-invalid')
    }
    expectStatus(await begin(origin, true, { headers: { 'upload-complete': ' ?0;a=1; b="x;y"' } }), 201)
  })

  test('Upload-Length that is no size is as good as none', async () => {
    const domain = await makeDomain()
    for (const value of ['-1', '1.5', 'ten', '3, 4', '1234567890123456']) {
      const answer = await begin(domain.origin, false, { headers: { 'upload-length': value } })
      expectStatus(answer, 201)
      expect(stateOf(answer).length).toBeNull()
    }
  })
})

describe('the same at /v1/uploads', () => {
  test('POST with a raw body', async () => {
    const domain = await makeDomain()
    const headers = { ...complete(false), 'content-disposition': 'inline; filename="a.bin"' }
    const answer = await call('POST', `${domain.origin}/v1/uploads`, { headers, body: 'ab' })
    expectStatus(answer, 201)
    const url = answer.headers.get('location')!
    expect(new URL(url).pathname).toMatch(/^\/v1\/resumable\//)
    const done = await append(url, 2, 'c', true)
    expectStatus(done, 202)
    expect(done.json).toMatchObject({ filename: 'a.bin', size: 3 })
    const whole = await call('POST', `${domain.origin}/v1/uploads`, { headers: complete(true), body: 'abc' })
    expectStatus(whole, 202)
    expect(whole.headers.get('upload-complete')).toBe('?1')
    expect(whole.json).toMatchObject({ filename: 'unnamed', size: 3 })
  })

  test('PUT, with the name in the path', async () => {
    const domain = await makeDomain()
    const answer = await putFile(domain.origin, 'a.bin', 'ab', { headers: complete(false) })
    expectStatus(answer, 201)
    const done = await append(answer.headers.get('location')!, 2, 'c', true)
    expect(done.json).toMatchObject({ filename: 'a.bin', size: 3 })
    const whole = await putFile(domain.origin, 'b.bin', 'abc', { headers: complete(true) })
    expectStatus(whole, 202)
    expect(stateOf(whole)).toEqual({ offset: 3, complete: '?1', length: 3 })
  })

  test('a form is refused', async () => {
    const domain = await makeDomain()
    for (const isComplete of [true, false]) {
      const answer = await postForm(domain.origin, [file('a', 'abc')], { headers: complete(isComplete) })
      expectProblem(answer, 415, 'content-type-unsupported')
    }
    expectStatus(await postForm(domain.origin, [file('a', 'abc')], { headers: { 'upload-complete': 'yes' } }), 202)
  })

  test('an idempotency key holds for a body that is all of it', async () => {
    const domain = await makeDomain()
    const send = () => begin(domain.origin, true, { headers: { 'idempotency-key': 'one' }, body: 'abc' })
    const [first, second] = [await send(), await send()]
    expectStatus(second, 202)
    expect(second.json.id).toBe(first.json.id)
    expect(stateOf(second)).toEqual(stateOf(first))
  })
})

describe('offset retrieval', () => {
  test.each(['HEAD', 'GET'])('%s tells offset, completeness, length and limits, and is not kept', async (method) => {
    const domain = await makeDomain({ maxFileBytes: 1000 })
    const url = await begun(domain, 5)
    expectStatus(await append(url, 0, 'abc', false), 204)
    const answer = await call(method, url)
    expectStatus(answer, 204)
    expect(stateOf(answer)).toEqual({ offset: 3, complete: '?0', length: 5 })
    expect(limitsOf(answer)).toMatch(/^max-size=1000, max-append-size=\d+, max-age=\d+$/)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(answer.headers.get('location')).toBeNull()
  })

  test('after the end it says so, and where the file is', async () => {
    const domain = await makeDomain()
    const url = await begun(domain)
    const done = await append(url, 0, 'abc', true)
    const answer = await retrieve(url)
    expectStatus(answer, 204)
    expect(stateOf(answer)).toEqual({ offset: 3, complete: '?1', length: 3 })
    expect(answer.headers.get('location')).toBe(done.json.links.self)
  })

  test('of an upload that came by tus there is nothing here', async () => {
    const domain = await makeDomain()
    const url = await created(domain, 6)
    expectStatus(await patch(url, 0, 'abc'), 204)
    const here = url.replace('/v1/tus/', '/v1/resumable/')
    expectStatus(await retrieve(here), 404)
    for (const send of [() => append(here, 3, 'def', true), () => call('DELETE', here)]) {
      expectProblem(await send(), 404, 'upload-not-found')
    }
    // And nothing of it was disturbed.
    expectStatus(await patch(url, 3, 'def'), 204)
    await expectFile(domain, idOf(url), Buffer.from('abcdef'))
  })
})

describe('append', () => {
  test('appends of any size make the file, which ends by ?1 alone', async () => {
    const domain = await makeDomain()
    const bytes = noise(2 * partBytes + 4321)
    const url = await begun(domain, bytes.length)
    const cuts = [0, 1, 2, 70_000, partBytes - 1, partBytes + 1, 2 * partBytes, bytes.length]
    for (const [index, from] of cuts.slice(0, -1).entries()) {
      const to = cuts[index + 1]!
      const answer = await append(url, from, bytes.subarray(from, to), false)
      expectStatus(answer, 204)
      expect(stateOf(answer)).toEqual({ offset: to, complete: '?0', length: bytes.length })
    }
    // All bytes are here, and yet it is not complete before the client says so.
    expect(stateOf(await retrieve(url)).complete).toBe('?0')
    expect((await call('GET', `${domain.origin}/v1/uploads/${idOf(url)}`)).json.status).toBe('uploading')
    const done = await append(url, bytes.length, undefined, true)
    expectStatus(done, 202)
    expect(stateOf(done)).toEqual({ offset: bytes.length, complete: '?1', length: bytes.length })
    expect(done.headers.get('location')).toBe(done.json.links.self)
    await expectFile(domain, idOf(url), bytes)
    expect(await holdings(domain)).toEqual(heldExactly(bytes.length))
  })

  test('the answer to the last one is that of any other upload', async () => {
    const domain = await makeDomain()
    const plain = await putFile(domain.origin, 'a.txt', 'abc')
    const url = await begun(domain, null, { headers: { 'content-disposition': 'inline; filename=a.txt' } })
    const last = await append(url, 0, 'abc', true)
    expect(last.status).toBe(plain.status)
    expect(Object.keys(last.json)).toEqual(Object.keys(plain.json))
    expect(last.json).toMatchObject({
      filename: 'a.txt',
      size: 3,
      sha256: plain.json.sha256,
      readToken: expect.any(String),
    })
  })

  test('a file that is one part to the byte comes in one append', async () => {
    const domain = await makeDomain()
    const bytes = noise(partBytes)
    const url = await begun(domain, bytes.length)
    expectStatus(await append(url, 0, bytes, true), 202)
    await expectFile(domain, idOf(url), bytes)
  })

  test('the length is what the last append makes it', async () => {
    const domain = await makeDomain()
    const url = await begun(domain)
    expectStatus(await append(url, 0, 'abc', false), 204)
    expect(stateOf(await append(url, 3, chunkedBody(Buffer.from('defgh')), true))).toEqual({
      offset: 8,
      complete: '?1',
      length: 8,
    })
    await expectFile(domain, idOf(url), Buffer.from('abcdefgh'))
  })

  test('the length may be said with an append', async () => {
    const url = await begun(await makeDomain())
    expectStatus(await append(url, 0, 'abc', false, { headers: { 'upload-length': '7' } }), 204)
    expect(stateOf(await retrieve(url)).length).toBe(7)
  })

  test('at another offset changes nothing', async () => {
    const url = await begun(await makeDomain(), 10)
    expectStatus(await append(url, 0, 'abc', false), 204)
    for (const offset of [0, 2, 4]) {
      const answer = await append(url, offset, 'abc', false)
      const problem = expectProblem(answer, 409, 'offset-mismatch')
      expect(problem).toMatchObject({
        type: problemType('mismatching-upload-offset'),
        'expected-offset': 3,
        'provided-offset': offset,
      })
      expect(stateOf(answer)).toMatchObject({ offset: 3, complete: '?0' })
    }
    expect(stateOf(await retrieve(url)).offset).toBe(3)
  })

  test('needs its offset and its completeness, and its label', async () => {
    const url = await begun(await makeDomain())
    const send = (headers: Record<string, string>) => call('PATCH', url, { headers, body: 'abc' })
    const label = { 'content-type': 'application/partial-upload' }
    expectProblem(await send({ ...label, ...complete(false) }), 400, 'request-invalid')
    expectProblem(await send({ ...label, ...complete(false), 'upload-offset': '-0.5' }), 400, 'request-invalid')
    expectProblem(await send({ ...label, 'upload-offset': '0' }), 400, 'request-invalid')
    const unlabelled = await send({ ...complete(false), 'upload-offset': '0', 'content-type': 'text/plain' })
    expectProblem(unlabelled, 415, 'content-type-unsupported')
    expect(unlabelled.headers.get('accept-patch')).toBe('application/partial-upload')
    expect(stateOf(await retrieve(url)).offset).toBe(0)
  })

  test('to a complete upload is refused, and changes nothing', async () => {
    const domain = await makeDomain()
    const url = await begun(domain)
    const done = await append(url, 0, 'abc', true)
    for (const offset of [0, 3]) {
      const more = await append(url, offset, 'abc', true)
      expect(expectProblem(more, 400, 'upload-length-inconsistent').type).toBe(
        problemType('inconsistent-upload-length'),
      )
      expect(more.headers.get('upload-complete')).toBe('?0')
    }
    const again = await append(url, 3, undefined, true)
    expect(expectProblem(again, 400, 'upload-completed').type).toBe(problemType('completed-upload'))
    expect(again.headers.get('location')).toBe(done.json.links.self)
    expect(stateOf(await retrieve(url))).toEqual({ offset: 3, complete: '?1', length: 3 })
    await expectFile(domain, idOf(url), Buffer.from('abc'))
  })

  test('that breaks off keeps what came, and completes nothing', async () => {
    const domain = await makeDomain()
    const bytes = noise(partBytes + 1000)
    const url = await begun(domain, bytes.length)
    const { readable, writable } = new FixedLengthStream(bytes.length)
    const writer = writable.getWriter()
    const appending = append(url, 0, readable, true)
    await writer.write(bytes.subarray(0, partBytes + 10).slice())
    await writer.abort(new Error('gone'))
    expectProblem(await appending, 400, 'body-incomplete')
    const state = stateOf(await retrieve(url))
    expect(state).toEqual({ offset: partBytes + 10, complete: '?0', length: bytes.length })
    expectStatus(await append(url, partBytes + 10, bytes.subarray(partBytes + 10), true), 202)
    await expectFile(domain, idOf(url), bytes)
  })

  test('of which a newer request comes gives way to it, with all that it brought', async () => {
    const url = await begun(await makeDomain(), 10)
    const { readable, writable } = new FixedLengthStream(10)
    const appending = append(url, 0, readable, true)
    const writer = writable.getWriter()
    await writer.write(Buffer.from('abcde'))
    const offset = stateOf(await retrieve(url)).offset!
    expectStatus(await append(url, offset, 'abcdefghij'.slice(offset), true), 202)
    expectProblem(await appending, 409, 'append-superseded')
    await writer.abort(new Error('gone')).catch(() => {})
  })
})

describe('lengths that contradict each other', () => {
  const inconsistent = (answer: Answer) => {
    const problem = expectProblem(answer, 400, 'upload-length-inconsistent')
    expect(problem.type).toBe(problemType('inconsistent-upload-length'))
    expect(answer.headers.get('upload-complete')).toBe('?0')
  }

  test('in one creation', async () => {
    const domain = await makeDomain()
    for (const body of ['ab', 'abcd', chunkedBody(Buffer.from('ab')), chunkedBody(Buffer.from('abcd'))]) {
      inconsistent(await begin(domain.origin, true, { headers: { 'upload-length': '3' }, body }))
    }
    inconsistent(await begin(domain.origin, false, { headers: { 'upload-length': '3' }, body: 'abcd' }))
    expect(await holdings(domain)).toEqual(nothingHeld)
  })

  test('between a creation and its appends, which change nothing then', async () => {
    const domain = await makeDomain()
    const url = await begun(domain, 10)
    inconsistent(await append(url, 0, 'abc', false, { headers: { 'upload-length': '9' } }))
    inconsistent(await append(url, 0, 'abc', true))
    inconsistent(await append(url, 0, undefined, true))
    expect(stateOf(await retrieve(url))).toEqual({ offset: 0, complete: '?0', length: 10 })
    // How few they are is known only after the last one, and what came is kept.
    inconsistent(await append(url, 0, chunkedBody(Buffer.from('abc')), true))
    expect(stateOf(await retrieve(url))).toEqual({ offset: 3, complete: '?0', length: 10 })
    inconsistent(await append(url, 3, undefined, false, { headers: { 'upload-length': '2' } }))
    expectStatus(await append(url, 3, 'defghij', true), 202)
    await expectFile(domain, idOf(url), Buffer.from('abcdefghij'))
  })

  test.each([
    ['declared', (bytes: string) => bytes],
    ['found as they come', (bytes: string) => chunkedBody(Buffer.from(bytes))],
  ])('bytes beyond the length, %s, end the upload', async (_how, bodyOf) => {
    const domain = await makeDomain()
    for (const [isLast, before] of [
      [false, ''],
      [true, ''],
      [false, 'abcde'],
      [true, 'abcde'],
    ] as const) {
      const url = await begun(domain, 5)
      expectStatus(await append(url, 0, before, false), 204)
      inconsistent(await append(url, before.length, bodyOf('abcdef'.slice(before.length)), isLast))
      expectStatus(await retrieve(url), 410)
      expectProblem(await append(url, 0, 'abcde', true), 410, 'upload-deleted')
    }
    expect(await holdings(domain)).toEqual(nothingHeld)
  })
})

describe('limits', () => {
  test('OPTIONS tells them, and that one may begin here', async () => {
    const domain = await makeDomain({ maxFileBytes: 1000, maxRequestBytes: 900 })
    for (const path of ['/v1/resumable', '/v1/uploads', '/v1/uploads/a.txt']) {
      const answer = await call('OPTIONS', domain.origin + path)
      expectStatus(answer, 204)
      expect(answer.headers.get('accept-patch')).toBe('application/partial-upload')
      expect(limitsOf(answer)).toBe('max-size=1000, max-append-size=900, max-age=86400')
    }
    expect(limitsOf(await call('OPTIONS', 'http://localhost/v1/resumable'))).toBe('max-age=86400')
  })

  const changePolicy = async (domain: TestDomain, policy: object) => {
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify({ policy })
    const url = `http://localhost/v1/domains/${domain.slug}`
    expectStatus(await call('PATCH', url, { key: adminToken, headers, body }), 200)
  }

  test('they are those of the upload token, and do not change with the policy', async () => {
    const domain = await makeDomain({ maxFileBytes: 1000 })
    const { token: key } = (await askForToken(domain, { maxFileBytes: 100 })).json
    expect(limitsOf(await call('OPTIONS', `${domain.origin}/v1/resumable`, { key }))).toMatch(/^max-size=100, /)
    const url = await begun(domain, null, { key })
    await changePolicy(domain, { maxFileBytes: 10 })
    expect(limitsOf(await retrieve(url, { key }))).toMatch(/^max-size=100, /)
    expectStatus(await append(url, 0, 'x'.repeat(100), true, { key }), 202)
  })

  test('an append that is too large is refused with those of its upload, whoever sends it', async () => {
    const domain = await makeDomain({ maxFileBytes: 20, maxRequestBytes: 10 })
    const url = await begun(domain)
    await changePolicy(domain, { maxFileBytes: 200, maxRequestBytes: 100 })
    await tamper(idOf(url), "UPDATE session SET opening = json_set(opening, '$.expiresAt', ?)", Date.now() + 3600_000)
    const { token: key } = (await askForToken(domain, { maxFileBytes: 5 })).json
    for (const options of [{}, { key }]) {
      const refused = await append(url, 0, 'x'.repeat(11), false, options)
      expectProblem(refused, 413, 'request-too-large')
      expect(limitsOf(refused)).toMatch(/^max-size=20, max-append-size=10, max-age=3[56]\d\d$/)
    }
    expectStatus(await append(url, 0, 'x'.repeat(10), true), 202)
  })

  test('what is too large is refused with them', async () => {
    const domain = await makeDomain({ maxFileBytes: 1000 })
    const url = await begun(domain)
    const refusals: (() => Promise<Answer>)[] = [
      () => begin(domain.origin, false, { headers: { 'upload-length': '1001' } }),
      () => begin(domain.origin, true, { body: 'x'.repeat(1001) }),
      () => begin(domain.origin, true, { body: chunkedBody(Buffer.alloc(1001)) }),
      () => append(url, 0, 'x'.repeat(1001), false),
      () => append(url, 0, chunkedBody(Buffer.alloc(1001)), true),
    ]
    for (const send of refusals) {
      const answer = await send()
      expectProblem(answer, 413, 'file-too-large')
      expect(limitsOf(answer)).toMatch(/^max-size=1000, max-append-size=\d+, max-age=86(400|39\d)$/)
    }
    expect(await holdings(domain)).toEqual(nothingHeld)
  })
})

test('one body brings no more than max-append-size, and the upload goes on in smaller ones', async () => {
  const domain = await makeDomain({ maxRequestBytes: 4 })
  const url = await begun(domain)
  const refusals: (() => Promise<Answer>)[] = [
    () => begin(domain.origin, true, { body: 'abcde' }),
    () => begin(domain.origin, false, { body: 'abcde' }),
    () => append(url, 0, 'abcde', false),
  ]
  for (const send of refusals) {
    const answer = await send()
    expectProblem(answer, 413, 'request-too-large')
    expect(stateOf(answer).complete).toBe('?0')
    expect(limitsOf(answer)).toMatch(/, max-append-size=4, /)
  }
  expectStatus(await append(url, 0, 'abcd', false), 204)
  expectStatus(await append(url, 4, 'e', true), 202)
  expect(await holdings(domain)).toEqual(heldExactly(5))
})

describe('digests', () => {
  const wrong = digest('sha-256', 'something else')

  test('Repr-Digest holds the whole upload', async () => {
    const domain = await makeDomain()
    const bytes = noise(partBytes + 100)
    const promise = { 'repr-digest': `${digest('sha-512', 'x')}, ${digest('sha-256', bytes)}` }
    const url = await begun(domain, null, { headers: promise })
    expectStatus(await append(url, 0, bytes.subarray(0, 100), false), 204)
    const done = await append(url, 100, bytes.subarray(100), true, { headers: { 'want-repr-digest': 'sha-256=5' } })
    expectStatus(done, 202)
    expect(done.headers.get('repr-digest')).toBe(digest('sha-256', bytes))
    await expectFile(domain, idOf(url), bytes)
  })

  test('also of an upload whose hash is taken at the end only', async () => {
    const domain = await makeDomain()
    const bytes = noise(partBytes + 100)
    for (const promised of [digest('sha-256', bytes), wrong]) {
      const url = await begun(domain, bytes.length, { headers: { 'repr-digest': promised } })
      const { readable, writable } = new FixedLengthStream(bytes.length)
      const writer = writable.getWriter()
      const appending = append(url, 0, readable, true)
      await writer.write(bytes.subarray(0, 1000).slice())
      await writer.abort(new Error('gone'))
      await appending
      const { offset } = stateOf(await retrieve(url))
      const answer = await append(url, offset!, bytes.subarray(offset!), true)
      expect(answer.status, answer.text).toBe(promised === wrong ? 422 : 202)
      expect(answer.headers.get('upload-complete')).toBe('?1')
    }
    expect(await holdings(domain)).toEqual(heldExactly(bytes.length))
  })

  test('an upload that is not what Repr-Digest promised is gone', async () => {
    const domain = await makeDomain()
    const url = await begun(domain, null, { headers: { 'repr-digest': wrong } })
    expectStatus(await append(url, 0, 'abc', false), 204)
    const answer = await append(url, 3, undefined, true)
    expectProblem(answer, 422, 'digest-mismatch')
    // It is the answer to all of the upload: resuming it would help nobody.
    expect(answer.headers.get('upload-complete')).toBe('?1')
    expectStatus(await retrieve(url), 410)
    const whole = await begin(domain.origin, true, { body: 'abc', headers: { 'repr-digest': wrong } })
    expectProblem(whole, 422, 'digest-mismatch')
    expect(await holdings(domain)).toEqual(nothingHeld)
  })

  test('a Repr-Digest that could not be checked is refused at once', async () => {
    const { origin } = await makeDomain()
    const only512 = { 'repr-digest': digest('sha-512', 'abc') }
    expectProblem(await begin(origin, false, { headers: only512 }), 400, 'digest-invalid')
    expectStatus(await begin(origin, true, { headers: only512, body: 'abc' }), 202)
    expectProblem(await begin(origin, false, { headers: { 'repr-digest': 'nonsense' } }), 400, 'digest-invalid')
    expectStatus(await begin(origin, false, { headers: { 'repr-digest': 'md5=:abcd:' } }), 201)
  })

  test.each(['sha-256', 'sha-512'] as const)('Content-Digest by %s holds one body', async (algorithm) => {
    const domain = await makeDomain()
    const bytes = noise(partBytes + 100)
    const rest = noise(partBytes + 1, 2)
    const url = await begun(domain)
    const promised = (of: Uint8Array | string) => ({ headers: { 'content-digest': digest(algorithm, of) } })
    expectStatus(await append(url, 0, bytes, false, promised(bytes)), 204)
    const answer = await append(url, bytes.length, noise(partBytes + 1), true, promised(rest))
    expectProblem(answer, 422, 'digest-mismatch')
    expect(answer.headers.get('upload-complete')).toBe('?0')
    expect(stateOf(await retrieve(url))).toMatchObject({ offset: bytes.length, complete: '?0' })
    expectStatus(await append(url, bytes.length, rest, true, promised(rest)), 202)
    await expectFile(domain, idOf(url), Buffer.concat([bytes, rest]))
  })

  test('Content-Digest of a creation', async () => {
    const domain = await makeDomain()
    const headers = { 'content-digest': wrong }
    expectProblem(await begin(domain.origin, true, { headers, body: 'abc' }), 422, 'digest-mismatch')
    expect(await holdings(domain)).toEqual(nothingHeld)
    const answer = await begin(domain.origin, false, { headers, body: 'abc' })
    expectProblem(answer, 422, 'digest-mismatch')
    expect(answer.headers.get('location')).toBeNull()
    expect(await holdings(domain)).toEqual(nothingHeld)
  })
})

describe('what comes of the file', () => {
  test('a type that is not taken ends the upload with the first bytes that show it, or with the last', async () => {
    const domain = await makeDomain({ allowedTypes: ['image/*'] })
    const url = await begun(domain, null, { headers: { 'content-type': 'image/png' } })
    const answer = await append(url, 0, 'no image', true)
    expectProblem(answer, 415, 'type-contradicted')
    expect(answer.headers.get('upload-complete')).toBe('?1')
    expectStatus(await retrieve(url), 410)
    expect(await holdings(domain)).toEqual(nothingHeld)
  })

  test('a quota that is used up by then refuses it, and keeps it for another try', async () => {
    const domain = await makeDomain({ quotaBytes: 10 })
    const url = await begun(domain)
    expectStatus(await append(url, 0, 'abcdef', false), 204)
    expectStatus(await putFile(domain.origin, 'a', '12345'), 202)
    const answer = await append(url, 6, undefined, true)
    expectProblem(answer, 413, 'quota-exceeded')
    expect(stateOf(answer).complete).toBe('?0')
    expect(limitsOf(answer)).toMatch(/^max-size=/)
  })
})

describe('cancellation', () => {
  test('nothing is left', async () => {
    const domain = await makeDomain()
    const url = await begun(domain, 2 * partBytes)
    expectStatus(await append(url, 0, noise(partBytes + 10), false), 204)
    expectStatus(await call('DELETE', url), 204)
    expect(await holdings(domain)).toEqual(nothingHeld)
    for (const send of [() => retrieve(url), () => append(url, 0, 'abc', false), () => call('DELETE', url)]) {
      expectStatus(await send(), 410)
    }
  })

  test('ends an append that runs', async () => {
    const domain = await makeDomain()
    const url = await begun(domain, 10)
    const { readable, writable } = new FixedLengthStream(10)
    const appending = append(url, 0, readable, true)
    const writer = writable.getWriter()
    await writer.write(Buffer.from('abcde'))
    expectStatus(await call('DELETE', url), 204)
    await writer.abort(new Error('gone')).catch(() => {})
    expect((await appending).status).toBeGreaterThanOrEqual(400)
    expect(await holdings(domain)).toEqual(nothingHeld)
  })

  test('of a complete upload leaves the file', async () => {
    const domain = await makeDomain()
    const url = await begun(domain)
    expectStatus(await append(url, 0, 'abc', true), 202)
    expectStatus(await call('DELETE', url), 204)
    expectStatus(await retrieve(url), 404)
    await expectFile(domain, idOf(url), Buffer.from('abc'))
  })
})

describe('a page in a browser', () => {
  test('may send the fields of the draft, and read them', async () => {
    const page = 'https://app.example.com'
    const domain = await makeDomain({ allowedOrigins: [page] })
    const asked = 'content-disposition,content-type,upload-complete,upload-length,upload-offset'
    const preflight = await call('OPTIONS', `${domain.origin}/v1/resumable/x`, {
      headers: { origin: page, 'access-control-request-method': 'PATCH', 'access-control-request-headers': asked },
    })
    expectStatus(preflight, 204)
    expect(preflight.headers.get('access-control-allow-methods')?.split(',')).toContain('PATCH')
    expect(preflight.headers.get('access-control-allow-headers')).toBe(asked)
    const url = await begun(domain, null, { headers: { origin: page } })
    const mismatch = await append(url, 1, 'a', false, { headers: { origin: page } })
    for (const answer of [await retrieve(url, { headers: { origin: page } }), mismatch]) {
      expect(answer.headers.get('access-control-allow-origin')).toBe(page)
      const exposed = answer.headers.get('access-control-expose-headers')?.split(', ')
      expect(exposed).toEqual(
        expect.arrayContaining(['Location', 'Upload-Offset', 'Upload-Complete', 'Upload-Length', 'Upload-Limit']),
      )
    }
  })
})

describe('older clients', () => {
  const version = (number: number) => ({ 'upload-draft-interop-version': String(number) })

  test('interop version 3 says Upload-Incomplete, and labels nothing', async () => {
    const domain = await makeDomain()
    const incomplete = (value: string): Call => ({ headers: { ...version(3), 'upload-incomplete': value } })
    const start = await call('POST', `${domain.origin}/v1/uploads`, { ...incomplete('?1'), body: 'ab' })
    expectStatus(start, 201)
    expect(start.headers.get('upload-incomplete')).toBe('?1')
    expect(start.headers.get('upload-complete')).toBeNull()
    const url = start.headers.get('location')!
    const send = (offset: number, body: string, value: string) =>
      call('PATCH', url, { headers: { ...incomplete(value).headers, 'upload-offset': String(offset) }, body })
    const middle = await send(2, 'c', '?1')
    expectStatus(middle, 204)
    expect(middle.headers.get('upload-incomplete')).toBe('?1')
    const found = await retrieve(url, { headers: version(3) })
    expect([found.headers.get('upload-incomplete'), found.headers.get('upload-offset')]).toEqual(['?1', '3'])
    const last = await send(3, 'd', '?0')
    expectStatus(last, 202)
    expect(last.headers.get('upload-incomplete')).toBe('?0')
    expect(last.json.size).toBe(4)
    // To this version the newer field means nothing.
    const other = { ...version(3), ...complete(true) }
    expectProblem(await call('POST', `${domain.origin}/v1/resumable`, { headers: other }), 400, 'request-invalid')
  })

  test.each([4, 5, 6, 7, 8, 9])('interop version %i', async (number) => {
    const domain = await makeDomain()
    const url = await begun(domain, null, { headers: version(number) })
    const unlabelled = { ...version(number), ...complete(false), 'upload-offset': '0' }
    const first = await call('PATCH', url, { headers: unlabelled, body: new Blob(['abc']).stream() })
    expectStatus(first, number < 6 ? 204 : 415)
    const answer = await retrieve(url, { headers: version(number) })
    expect(stateOf(answer)).toEqual({ offset: number < 6 ? 3 : 0, complete: '?0', length: null })
    expect(limitsOf(answer)).toMatch(number < 7 ? /, expires=\d+$/ : /, max-age=\d+$/)
    expectStatus(await append(url, stateOf(answer).offset!, 'def', true, { headers: version(number) }), 202)
  })
})
