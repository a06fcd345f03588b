import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { noise, sha256 } from '../support/e2e/bodies.ts'
import { partBytes } from '../support/sizes.ts'
import {
  call,
  chunkedBody,
  expectProblem,
  expectStatus,
  heldExactly,
  holdings,
  jobsDone,
  makeDomain,
  nothingHeld,
  waitForStatus,
} from '../support/workers/client.ts'
import { append, begun } from '../support/workers/resumable.ts'
import {
  create,
  created,
  head,
  idOf,
  offsetOf,
  patch,
  tusCall,
  tusResumable,
  uploadMetadata,
} from '../support/workers/tus.ts'

vi.setConfig({ testTimeout: 30_000 })
afterAll(jobsDone, 120_000)

const allExtensions = [
  'checksum',
  'concatenation',
  'concatenation-unfinished',
  'creation',
  'creation-defer-length',
  'creation-with-upload',
  'expiration',
  'termination',
]

describe('core', () => {
  test('a file comes in by appends of any size, and is the same as if it had come at once', async () => {
    const domain = await makeDomain()
    const bytes = noise(2 * partBytes + 4321)
    const url = await created(domain, bytes.length, {
      headers: {
        'upload-metadata': uploadMetadata({ filename: 'crane.bin', filetype: 'application/x-crane', dock: '7' }),
      },
    })
    const cuts = [0, 1, 2, 70_000, partBytes - 1, partBytes + 1, partBytes + 2, 2 * partBytes, bytes.length]
    for (const [index, from] of cuts.slice(0, -1).entries()) {
      const to = cuts[index + 1]!
      const answer = await patch(url, from, bytes.subarray(from, to))
      expectStatus(answer, 204)
      expect(offsetOf(answer)).toBe(to)
      expect(offsetOf(await head(url))).toBe(to)
    }
    const file = await waitForStatus(domain, idOf(url))
    expect(file).toMatchObject({
      filename: 'crane.bin',
      declaredType: 'application/x-crane',
      size: bytes.length,
      sha256: sha256(bytes),
      metadata: { dock: '7' },
      protocol: 'tus',
    })
    const content = await call('GET', `${domain.origin}/v1/uploads/${file.id}/content`)
    expect(Buffer.compare(content.bytes, bytes)).toBe(0)
    expect(await holdings(domain)).toEqual(heldExactly(bytes.length))
  })

  test('a small file, one of no bytes, and one sent with its creation', async () => {
    const domain = await makeDomain()
    const url = await created(domain, 5)
    expectStatus(await patch(url, 0, 'abcde'), 204)
    const empty = await created(domain, 0)
    const answer = await create(domain.origin, 3, { body: 'abc' })
    expectStatus(answer, 201)
    expect(offsetOf(answer)).toBe(3)
    for (const [at, content] of [
      [url, 'abcde'],
      [empty, ''],
      [answer.headers.get('location')!, 'abc'],
    ] as const) {
      expect(await waitForStatus(domain, idOf(at))).toMatchObject({
        size: content.length,
        sha256: sha256(Buffer.from(content)),
      })
    }
    expect(await holdings(domain)).toEqual(heldExactly(5, 0, 3))
  })

  test('an append at another offset changes nothing', async () => {
    const domain = await makeDomain()
    const url = await created(domain, 10)
    expectStatus(await patch(url, 0, 'abc'), 204)
    expectProblem(await patch(url, 0, 'abc'), 409, 'offset-mismatch')
    expectProblem(await patch(url, 4, 'abc'), 409, 'offset-mismatch')
    expect(offsetOf(await head(url))).toBe(3)
  })

  test('HEAD says offset, length and metadata as they were sent, and is not to be cached', async () => {
    const domain = await makeDomain()
    const metadata = uploadMetadata({ filename: 'a.txt', note: 'ü' })
    const url = await created(domain, 10, { headers: { 'upload-metadata': metadata } })
    await patch(url, 0, 'abc')
    const answer = await head(url)
    expectStatus(answer, 200)
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'upload-offset': '3',
      'upload-length': '10',
      'upload-metadata': metadata,
      'cache-control': 'no-store',
      'tus-resumable': '1.0.0',
    })
  })

  test('OPTIONS says what is spoken, without a version and without a credential', async () => {
    const domain = await makeDomain({ anonymousUpload: false, maxFileBytes: 4711 })
    for (const headers of [{}, tusResumable]) {
      const answer = await call('OPTIONS', `${domain.origin}/v1/tus`, { headers })
      expectStatus(answer, 204)
      expect(Object.fromEntries(answer.headers)).toMatchObject({
        'tus-resumable': '1.0.0',
        'tus-version': '1.0.0',
        'tus-max-size': '4711',
        'tus-checksum-algorithm': 'sha1,sha256,md5,crc32',
      })
      expect(answer.headers.get('tus-extension')?.split(',').sort()).toEqual(allExtensions)
    }
    const apex = await call('OPTIONS', 'http://localhost/v1/tus')
    expectStatus(apex, 204)
    expect(apex.headers.has('tus-max-size')).toBe(false)
  })

  test('another version is refused, and nothing is done', async () => {
    const domain = await makeDomain()
    const url = await created(domain, 3)
    for (const version of ['0.2.2', '1.0.1', '']) {
      const headers = { 'tus-resumable': version }
      const answers = [
        await patch(url, 0, 'abc', { headers }),
        await create(domain.origin, 3, { headers }),
        await tusCall('DELETE', url, { headers }),
      ]
      for (const answer of answers) {
        expectProblem(answer, 412, 'tus-version-unsupported')
        expect(answer.headers.get('tus-version')).toBe('1.0.0')
      }
      expectStatus(await head(url, { headers }), 412)
    }
    expect(offsetOf(await head(url))).toBe(0)
    expect((await holdings(domain)).rows).toBe(1)
  })

  test('every answer says which tus it is, also when it is a refusal', async () => {
    const domain = await makeDomain()
    const url = `${domain.origin}/v1/tus`
    const answers = [
      await tusCall('HEAD', `${url}/nothing`),
      await tusCall('PUT', url),
      await create(domain.origin, 1, { key: 'nobody' }),
      await tusCall('POST', 'http://nobody.localhost/v1/tus'),
    ]
    expect(answers.map((answer) => answer.status)).toEqual([404, 405, 401, 404])
    for (const answer of answers) expect(answer.headers.get('tus-resumable')).toBe('1.0.0')
  })

  test('an append needs its content type and an offset that is one', async () => {
    const domain = await makeDomain()
    const url = await created(domain, 3)
    expectProblem(
      await patch(url, 0, 'abc', { headers: { 'content-type': 'application/octet-stream' } }),
      415,
      'content-type-unsupported',
    )
    for (const offset of ['', '-1', '1.5', 'x', '0x0', '99999999999999999999']) {
      const answer = await patch(url, 0, 'abc', { headers: { 'upload-offset': offset } })
      expectProblem(answer, 400, 'request-invalid')
    }
    expect(offsetOf(await head(url))).toBe(0)
  })

  test('bytes beyond the length are refused, and what came before them stays', async () => {
    const domain = await makeDomain()
    const url = await created(domain, 5)
    expectStatus(await patch(url, 0, 'abc'), 204)
    expectProblem(await patch(url, 3, 'defg'), 400, 'upload-length-inconsistent')
    expectProblem(await patch(url, 3, chunkedBody(Buffer.from('defg'))), 400, 'upload-length-inconsistent')
    expect(offsetOf(await head(url))).toBe(3)
    expectStatus(await patch(url, 3, 'de'), 204)
    expectStatus(await patch(url, 5, ''), 204)
    expectProblem(await patch(url, 5, 'f'), 400, 'upload-length-inconsistent')
    await waitForStatus(domain, idOf(url))
  })

  test('an append is held to the largest request body of the policy, and the upload goes on', async () => {
    const domain = await makeDomain({ maxRequestBytes: 4 })
    const url = await created(domain, 8)
    expect(expectProblem(await patch(url, 0, 'abcde'), 413, 'request-too-large')).toMatchObject({ limit: 4, value: 5 })
    expectProblem(await patch(url, 0, chunkedBody(Buffer.from('abcde'))), 413, 'request-too-large')
    expectStatus(await patch(url, 0, 'abcd'), 204)
    expectStatus(await patch(url, 4, 'efgh'), 204)
    await waitForStatus(domain, idOf(url))
  })

  test.each(['PATCH', 'HEAD', 'DELETE'])('POST stands for %s when a header says so', async (method) => {
    const domain = await makeDomain()
    const url = await created(domain, 10)
    const headers = { ...tusResumable, 'x-http-method-override': method }
    const patching = { ...headers, 'content-type': 'application/offset+octet-stream', 'upload-offset': '0' }
    const answer = await call('POST', url, method === 'PATCH' ? { headers: patching, body: 'abc' } : { headers })
    expectStatus(answer, method === 'HEAD' ? 200 : 204)
    if (method === 'DELETE') expectStatus(await head(url), 410)
    else expect(offsetOf(answer)).toBe(method === 'PATCH' ? 3 : 0)
  })

  test('nothing is left of an upload that is given up', async () => {
    const domain = await makeDomain()
    const url = await created(domain, 2 * partBytes)
    expectStatus(await patch(url, 0, noise(partBytes + 10)), 204)
    expectStatus(await tusCall('DELETE', url), 204)
    expect(await holdings(domain)).toEqual(nothingHeld)
    expectStatus(await head(url), 410)
    expectProblem(await patch(url, partBytes + 10, 'abc'), 410, 'upload-deleted')
  })

  test('of an upload that came by the IETF draft there is nothing here', async () => {
    const domain = await makeDomain()
    const url = await begun(domain, 6)
    expectStatus(await append(url, 0, 'abc', false), 204)
    const here = url.replace('/v1/resumable/', '/v1/tus/')
    expectStatus(await head(here), 404)
    for (const send of [() => patch(here, 3, 'def'), () => tusCall('DELETE', here)]) {
      expectProblem(await send(), 404, 'upload-not-found')
    }
    // And nothing of it was disturbed.
    expectStatus(await append(url, 3, 'def', true), 202)
    expect(await waitForStatus(domain, idOf(url))).toMatchObject({ size: 6, sha256: sha256(Buffer.from('abcdef')) })
  })
})

describe('creation', () => {
  test.each([
    ['no length', {}],
    ['two lengths', { 'upload-length': '1', 'upload-defer-length': '1' }],
    ['a length that is none', { 'upload-length': '-1' }],
    ['a length in words', { 'upload-length': 'many' }],
    ['a deferral that is none', { 'upload-defer-length': '0' }],
  ])('is refused with %s', async (_name, headers) => {
    const domain = await makeDomain()
    expectProblem(await tusCall('POST', `${domain.origin}/v1/tus`, { headers }), 400, 'request-invalid')
    expect(await holdings(domain)).toEqual(nothingHeld)
  })

  test.each([
    ['a key twice', 'a YQ==,a Yg=='],
    ['no key', ' ,'],
    ['a value that is no base64', 'a ???'],
    ['a value that is no UTF-8', 'a //8='],
    ['more than there is room for', `a ${btoa('x'.repeat(3000))}`],
    ['more characters than are read', `filename ${btoa('x'.repeat(7000))}`],
  ])('is refused with metadata that has %s', async (_name, metadata) => {
    const domain = await makeDomain()
    const answer = await create(domain.origin, 3, { headers: { 'upload-metadata': metadata } })
    expectProblem(answer, 422, 'metadata-invalid')
    expect(await holdings(domain)).toEqual(nothingHeld)
  })

  test('takes a key without a value, and names that a plain object has already', async () => {
    const domain = await makeDomain()
    const headers = { 'upload-metadata': `is_confidential, ${uploadMetadata({ constructor: 'a', __proto__x: 'b' })}` }
    const answer = await create(domain.origin, 0, { headers })
    expectStatus(answer, 201)
    const file = await waitForStatus(domain, idOf(answer.headers.get('location')!))
    expect(file.metadata).toEqual({ is_confidential: '', constructor: 'a', __proto__x: 'b' })
    expect(file.filename).toBe('unnamed')
  })

  test('holds name, size, type, metadata and quota against the policy at once', async () => {
    const rules = { invoice: { format: 'integer' } }
    const domain = await makeDomain({ maxFileBytes: 100, quotaBytes: 50, allowedExtensions: ['txt'], metadata: rules })
    const good = { filename: 'a.txt', invoice: '7' }
    const attempt = (length: number, metadata: Record<string, string>) =>
      create(domain.origin, length, { headers: { 'upload-metadata': uploadMetadata(metadata) } })
    expectProblem(await attempt(101, good), 413, 'file-too-large')
    expectProblem(await attempt(51, good), 413, 'quota-exceeded')
    expectProblem(await attempt(3, { ...good, filename: 'a.exe' }), 415, 'extension-not-allowed')
    expectProblem(await attempt(3, { filename: 'a.txt' }), 422, 'metadata-invalid')
    expect(await holdings(domain)).toEqual(nothingHeld)
    expectStatus(await attempt(30, good), 201)
    // What is open has its room already.
    expectProblem(await attempt(21, good), 413, 'quota-exceeded')
    expect(await holdings(domain)).toMatchObject({ storedBytes: 30, storedFiles: 1 })
  })

  test('on the apex host the metadata may name the domain, and must not name another than the request', async () => {
    const [one, two] = [await makeDomain(), await makeDomain()]
    const headers = { 'upload-metadata': uploadMetadata({ domain: one.slug }) }
    const answer = await create('http://localhost', 3, { headers, body: 'abc' })
    expectStatus(answer, 201)
    const url = answer.headers.get('location')!
    expect(new URL(url).searchParams.get('domain')).toBe(one.slug)
    expect((await waitForStatus(one, idOf(url))).metadata).toEqual({})
    const other = { ...headers, 'x-upload-domain': two.slug }
    expectProblem(await create('http://localhost', 3, { headers: other }), 409, 'domain-conflict')
    expectProblem(await create('http://localhost', 3), 400, 'domain-required')
    // On a domain's own host it is a key like any other.
    const own = await create(two.origin, 0, { headers })
    expectStatus(own, 201)
    expect((await waitForStatus(two, idOf(own.headers.get('location')!))).metadata).toEqual({ domain: one.slug })
  })

  test('keeps what came with it when there is more to come', async () => {
    const domain = await makeDomain()
    const answer = await create(domain.origin, 10, { body: 'abcd' })
    expectStatus(answer, 201)
    expect(offsetOf(answer)).toBe(4)
    expect(offsetOf(await head(answer.headers.get('location')!))).toBe(4)
  })

  test('with bytes of another content type is refused', async () => {
    const domain = await makeDomain()
    const headers = { ...tusResumable, 'upload-length': '3', 'content-type': 'text/plain' }
    const answer = await call('POST', `${domain.origin}/v1/tus`, { headers, body: 'abc' })
    expectProblem(answer, 415, 'content-type-unsupported')
    expect(await holdings(domain)).toEqual(nothingHeld)
  })
})

describe('creation-defer-length', () => {
  test('the length may come with any append, and holds from then on', async () => {
    const domain = await makeDomain()
    const bytes = noise(partBytes + 3000)
    const url = await created(domain, null)
    const before = await head(url)
    expect(before.headers.get('upload-defer-length')).toBe('1')
    expect(before.headers.has('upload-length')).toBe(false)
    expectStatus(await patch(url, 0, bytes.subarray(0, partBytes + 10)), 204)
    // Each part is reserved before it is stored.
    expect((await holdings(domain)).storedBytes).toBe(partBytes)
    const length = { 'upload-length': String(bytes.length) }
    expectStatus(
      await patch(url, partBytes + 10, bytes.subarray(partBytes + 10, partBytes + 20), { headers: length }),
      204,
    )
    const after = await head(url)
    expect(after.headers.has('upload-defer-length')).toBe(false)
    expect(after.headers.get('upload-length')).toBe(String(bytes.length))
    expectProblem(
      await patch(url, partBytes + 20, 'a', { headers: { 'upload-length': '1' } }),
      400,
      'upload-length-inconsistent',
    )
    expectStatus(await patch(url, partBytes + 20, bytes.subarray(partBytes + 20), { headers: length }), 204)
    expect(await waitForStatus(domain, idOf(url))).toMatchObject({ size: bytes.length, sha256: sha256(bytes) })
    expect(await holdings(domain)).toEqual(heldExactly(bytes.length))
  })

  test('a length below the offset is refused, and one that is the offset ends the upload', async () => {
    const domain = await makeDomain()
    const url = await created(domain, null)
    expectStatus(await patch(url, 0, 'abc'), 204)
    expectProblem(await patch(url, 3, '', { headers: { 'upload-length': '2' } }), 400, 'upload-length-inconsistent')
    expectStatus(await patch(url, 3, '', { headers: { 'upload-length': '3' } }), 204)
    await waitForStatus(domain, idOf(url))
    expect(await holdings(domain)).toEqual(heldExactly(3))
  })

  test('nobody sends more than the policy or the quota takes', async () => {
    const limited = await makeDomain({ maxFileBytes: 5 })
    const url = await created(limited, null)
    expectProblem(await patch(url, 0, 'abcdef'), 413, 'file-too-large')
    expectProblem(await patch(url, 0, chunkedBody(Buffer.from('abcdef'))), 413, 'file-too-large')
    expect(await holdings(limited)).toEqual(nothingHeld)

    const full = await makeDomain({ quotaBytes: partBytes + 100 })
    const other = await created(full, null)
    expectStatus(await patch(other, 0, noise(partBytes)), 204)
    expectProblem(await patch(other, partBytes, noise(partBytes)), 413, 'quota-exceeded')
    expect(offsetOf(await head(other))).toBe(partBytes)
    const headers = { 'upload-length': String(partBytes + 101) }
    expectProblem(await patch(other, partBytes, noise(101), { headers }), 413, 'quota-exceeded')
    expectStatus(
      await patch(other, partBytes, noise(100), { headers: { 'upload-length': String(partBytes + 100) } }),
      204,
    )
    await waitForStatus(full, idOf(other))
    expect(await holdings(full)).toEqual(heldExactly(partBytes + 100))
  })
})

describe('checksum', () => {
  const checksumOf = (algorithm: string, bytes: Uint8Array) =>
    algorithm === 'crc32'
      ? Buffer.from(crc32(bytes).toString(16).padStart(8, '0'), 'hex').toString('base64')
      : createHash(algorithm).update(bytes).digest('base64')

  test.each(['sha1', 'sha256', 'md5', 'crc32'])(
    '%s lets the right bytes in, and keeps none of the wrong',
    async (algorithm) => {
      const domain = await makeDomain()
      const bytes = noise(2 * partBytes + 99)
      const url = await created(domain, bytes.length)
      const right = { 'upload-checksum': `${algorithm} ${checksumOf(algorithm, bytes.subarray(0, 70))}` }
      expectStatus(await patch(url, 0, bytes.subarray(0, 70), { headers: right }), 204)
      const rest = bytes.subarray(70)
      const wrong = Buffer.from(rest)
      wrong[wrong.length - 1]! ^= 1
      const headers = { 'upload-checksum': `${algorithm} ${checksumOf(algorithm, rest)}` }
      expectProblem(await patch(url, 70, wrong, { headers }), 460, 'checksum-mismatch')
      expect(offsetOf(await head(url))).toBe(70)
      expectStatus(await patch(url, 70, rest, { headers }), 204)
      expect(await waitForStatus(domain, idOf(url))).toMatchObject({ sha256: sha256(bytes) })
      expect(await holdings(domain)).toEqual(heldExactly(bytes.length))
    },
  )

  test.each(['sha512 YQ==', 'sha1', 'sha1 YQ==', 'md5 ???', ''])('"%s" is refused', async (checksum) => {
    const domain = await makeDomain()
    const url = await created(domain, 3)
    const answer = await patch(url, 0, 'abc', { headers: { 'upload-checksum': checksum } })
    expectProblem(answer, 400, 'digest-invalid')
    expect(offsetOf(await head(url))).toBe(0)
  })

  test('a body that breaks off can’t be held against it, and nothing of it is kept', async () => {
    const domain = await makeDomain()
    const url = await created(domain, 3)
    const { readable, writable } = new FixedLengthStream(3)
    const headers = { 'upload-checksum': `md5 ${checksumOf('md5', Buffer.from('abc'))}` }
    const answering = patch(url, 0, readable, { headers })
    const writer = writable.getWriter()
    await writer.write(Buffer.from('ab'))
    await writer.abort(new Error('gone'))
    expectProblem(await answering, 400, 'body-incomplete')
    expect(offsetOf(await head(url))).toBe(0)
  })
})

describe('expiration', () => {
  test('each answer says until when an upload may be gone on with; one that is complete does not expire', async () => {
    const domain = await makeDomain()
    const before = Date.now()
    const answer = await create(domain.origin, 4)
    const expires = answer.headers.get('upload-expires')!
    const url = answer.headers.get('location')!
    expect(expires).toBe(new Date(expires).toUTCString())
    expect(Math.round((Date.parse(expires) - before) / 3600_000)).toBe(24)
    for (const unfinished of [await patch(url, 0, 'abc'), await head(url)]) {
      expect(unfinished.headers.get('upload-expires')).toBe(expires)
    }
    for (const finished of [await patch(url, 3, 'd'), await head(url)]) {
      expect(finished.headers.has('upload-expires')).toBe(false)
    }
  })
})
