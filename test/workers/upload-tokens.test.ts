import { env } from 'cloudflare:workers'
import { v7 as uuidv7 } from 'uuid'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import type { Domain } from '../../src/core/domain.ts'
import { allowsType, policySchema } from '../../src/core/policy.ts'
import { narrowDomain, type UploadLimits } from '../../src/core/upload-token.ts'
import { reconcile } from '../../src/services/reconcile/reconcile.ts'
import { noise } from '../support/e2e/bodies.ts'
import { eventually } from '../support/e2e/eventually.ts'
import {
  adminToken,
  allRows,
  call,
  chunkedBody,
  execute,
  expectProblem,
  expectStatus,
  field,
  file,
  heldExactly,
  holdings,
  makeDomain,
  makeKey,
  nothingHeld,
  postForm,
  putFile,
  revokeKey,
  rowOf,
  type TestDomain,
} from '../support/workers/client.ts'
import { appWith, depsWith, faultyD1, HeldQueue } from '../support/workers/faults.ts'
import * as samples from '../support/workers/samples.ts'
import { askForToken, claimsOf, makeToken, usesTaken } from '../support/workers/tokens.ts'

vi.setConfig({ testTimeout: 60_000 })

const asAdmin = { key: adminToken }
const closedPolicy = { anonymousUpload: false, publicRead: false }
const closed = (policy: Record<string, unknown> = {}) => makeDomain({ ...closedPolicy, ...policy })
/** Nothing here is about processing. */
const send = appWith({ deps: () => ({ queue: new HeldQueue() }) })
const large = noise(6 * 1024 * 1024)
const put = (domain: TestDomain, key: string, body: Parameters<typeof putFile>[2] = 'abc', name = 'a.txt') =>
  putFile(domain.origin, name, body, { key, send })

describe('making one', () => {
  test('is for keys that upload, and the administrator', async () => {
    const domain = await closed()
    const { key } = await makeKey(domain, ['upload'])
    for (const as of [{ key }, asAdmin]) {
      const answer = await askForToken(domain, {}, as)
      expectStatus(answer, 201)
      expect(answer.headers.get('cache-control')).toBe('no-store')
      expect(Object.keys(answer.json).sort()).toEqual(['expiresAt', 'token'])
      expectStatus(await put(domain, answer.json.token), 202)
    }
    const reader = await makeKey(domain, ['read', 'delete', 'manage'])
    expect(expectProblem(await askForToken(domain, {}, reader), 403, 'forbidden').scope).toBe('upload')
    const stranger = await makeKey(await closed(), ['upload'])
    expectProblem(await askForToken(domain, {}, stranger), 401, 'credential-invalid')
    // A domain that is open to anybody does not sign for anybody.
    const open = await makeDomain({ anonymousUpload: true })
    expectProblem(await askForToken(open, {}, { key: undefined }), 401, 'credential-required')
  })

  test('on the apex host is for the domain that is named, or the key’s own', async () => {
    const domain = await closed()
    const { key } = await makeKey(domain, ['upload'])
    const ask = (query: string, headers: Record<string, string>, as: string) =>
      call('POST', `http://localhost/v1/upload-tokens${query}`, {
        key: as,
        headers: { 'content-type': 'application/json', ...headers },
        body: '{}',
      })
    for (const answer of [
      await ask('', {}, key),
      await ask(`?domain=${domain.slug}`, {}, adminToken),
      await ask('', { 'x-upload-domain': domain.slug }, adminToken),
    ]) {
      expectStatus(answer, 201)
      expect(claimsOf(answer.json.token).aud).toBe(domain.id)
    }
    expectProblem(await ask('', {}, adminToken), 400, 'domain-required')
    expectProblem(await ask(`?domain=${(await closed()).slug}`, {}, key), 401, 'credential-invalid')
  })

  test('for ten minutes, or for as long as was asked for, and never for longer than its key', async () => {
    const domain = await closed()
    const inSeconds = async (limits: object, key = adminToken) => {
      const { token, expiresAt } = (await askForToken(domain, limits, { key })).json
      const { iat, exp } = claimsOf(token)
      expect(Date.parse(expiresAt)).toBe(exp * 1000)
      expect(Math.abs(iat * 1000 - Date.now())).toBeLessThan(5_000)
      return exp - iat
    }
    expect(await inSeconds({})).toBe(600)
    expect(await inSeconds({ expiresInSeconds: 1 })).toBe(1)
    expect(await inSeconds({ expiresInSeconds: 86_400 })).toBe(86_400)
    const end = Math.floor(Date.now() / 1000) + 100
    const { key } = await makeKey(domain, ['upload'], new Date(end * 1000 + 500).toISOString())
    const token = await makeToken(domain, { expiresInSeconds: 600 }, { key })
    expect(claimsOf(token).exp).toBe(end)
  })

  test.each([
    ['no time', { expiresInSeconds: 0 }],
    ['more than a day', { expiresInSeconds: 86_401 }],
    ['a negative size', { maxFileBytes: -1 }],
    ['no files', { maxFiles: 0 }],
    ['no uses', { uses: 0 }],
    ['half a use', { uses: 1.5 }],
    ['no types', { types: [] }],
    ['a type that is none', { types: ['image'] }],
    ['a type of 128 characters', { types: [`${'x'.repeat(128)}/*`] }],
    ['a subtype of 128 characters', { types: [`x/${'x'.repeat(128)}`] }],
    ['metadata that are no strings', { metadata: { a: 1 } }],
    ['metadata of more than 2 KB', { metadata: { a: 'x'.repeat(2100) } }],
    ['something that it does not know', { maxBytes: 1 }],
    ['an array', []],
  ])('is refused with %s', async (_name, limits) => {
    expectProblem(await askForToken(await closed(), limits), 400, 'request-invalid')
  })

  test('is refused where the token would be longer than any that is taken, and every other is taken', async () => {
    const domain = await closed()
    const long = (count: number) =>
      Array.from({ length: count }, (_, number) => `${'x'.repeat(127)}/${String(number).padStart(127, 'x')}`)
    const problem = expectProblem(await askForToken(domain, { types: long(50) }), 400, 'request-invalid')
    expect(problem).toMatchObject({ limit: 8192, size: expect.any(Number) })
    const made = []
    for (let count = 15; count < 30; count++) {
      const answer = await askForToken(domain, { types: ['text/plain', ...long(count)] })
      if (answer.status !== 201) continue
      made.push(answer.json.token.length)
      expectStatus(await put(domain, answer.json.token), 202)
    }
    expect(Math.max(...made)).toBeGreaterThan(7800)
    expect(made.length).toBeLessThan(15)
  })

  test('is refused with a body that is no JSON, none, or too large', async () => {
    const domain = await closed()
    expectProblem(await askForToken(domain, {}, { ...asAdmin, body: '{' }), 400, 'request-invalid')
    expectProblem(
      await askForToken(domain, {}, { ...asAdmin, headers: { 'content-type': 'text/plain' } }),
      415,
      'content-type-unsupported',
    )
    const padded = `{}${' '.repeat(70_000)}`
    expectProblem(await askForToken(domain, {}, { ...asAdmin, body: padded }), 413, 'request-too-large')
  })

  test('is refused while the domain is suspended, and where no secret is set', async () => {
    const domain = await closed()
    expectProblem(
      await askForToken(domain, {}, { ...asAdmin, send: appWith({ env: { MODE: undefined } }) }),
      500,
      'misconfigured',
    )
    const suspension = { ...asAdmin, headers: { 'content-type': 'application/json' }, body: '{"suspended":true}', send }
    expectStatus(await call('PATCH', `http://localhost/v1/domains/${domain.slug}`, suspension), 200)
    expectProblem(await askForToken(domain, {}, { ...asAdmin, send }), 403, 'domain-suspended')
  })
})

describe('whose it is', () => {
  test('it uploads to its own domain, which it names on the apex host, and is unknown in another', async () => {
    const domain = await closed()
    const other = await makeDomain({ anonymousUpload: true })
    const key = await makeToken(domain)
    const answer = await putFile('http://localhost', 'a', 'abc', { key, send })
    expectStatus(answer, 202)
    expect(answer.json.domain).toBe(domain.slug)
    const parts = [field('domain', domain.slug), file('a', 'abc')]
    expectStatus(await postForm('http://localhost', parts, { key, send }), 202)
    expectProblem(await putFile(other.origin, 'a', 'abc', { key, send }), 401, 'credential-invalid')
    expectProblem(await postForm(other.origin, [file('a', 'abc')], { key, send }), 401, 'credential-invalid')
    const misnamed = [field('domain', other.slug), file('a', 'abc')]
    expectProblem(await postForm('http://localhost', misnamed, { key, send }), 409, 'domain-conflict')
    const atApex = `http://localhost?domain=${other.slug}`
    expectProblem(await postForm(atApex, [file('a', 'abc')], { key, send }), 401, 'credential-invalid')
    expect(await holdings(other)).toEqual(nothingHeld)
    expect(await holdings(domain)).toEqual(heldExactly(3, 3))
  })

  test('it uploads, and does nothing else', async () => {
    const domain = await closed()
    const key = await makeToken(domain)
    const { id } = (await put(domain, key)).json
    const url = `${domain.origin}/v1/uploads/${id}`
    const json = { headers: { 'content-type': 'application/json' }, body: '{}', key }
    for (const answer of [
      await call('GET', `${domain.origin}/v1/uploads`, { key }),
      await call('GET', url, { key }),
      await call('GET', `${url}/status`, { key }),
      await call('GET', `${url}/content`, { key }),
      await call('DELETE', url, { key }),
      await call('POST', `${url}/reprocess`, { key }),
      await call('POST', `${url}/links`, json),
      await askForToken(domain, {}, { key }),
      await call('POST', 'http://localhost/v1/domains', json),
    ]) {
      expectProblem(answer, 403, 'forbidden')
    }
    expect(await holdings(domain)).toEqual(heldExactly(3))
  })

  test('it ends at its time', async () => {
    const domain = await closed()
    const key = await makeToken(domain, { expiresInSeconds: 100 })
    const { exp } = claimsOf(key)
    const at = (milliseconds: number) => appWith({ deps: () => ({ now: () => milliseconds, queue: new HeldQueue() }) })
    expectStatus(await putFile(domain.origin, 'a', 'abc', { key, send: at(exp * 1000 - 1) }), 202)
    expectProblem(await putFile(domain.origin, 'a', 'abc', { key, send: at(exp * 1000) }), 401, 'credential-invalid')
  })

  test('it ends with the key that made it, at once, for small files and large', async () => {
    const domain = await closed()
    const maker = await makeKey(domain, ['upload'])
    const [used, unused] = [await makeToken(domain, { uses: 5 }, maker), await makeToken(domain, {}, maker)]
    const administrators = await makeToken(domain)
    expectStatus(await put(domain, used), 202)
    await revokeKey(domain, maker.id)
    for (const key of [used, unused]) {
      for (const body of ['abc', large]) expectProblem(await put(domain, key, body), 401, 'credential-invalid')
    }
    expectStatus(await put(domain, administrators), 202)
    expect(await holdings(domain)).toEqual(heldExactly(3, 3))
    expect(await usesTaken(domain)).toEqual([1])
  })

  test('its file remembers it', async () => {
    const domain = await closed()
    const key = await makeToken(domain)
    for (const body of ['abc', large]) {
      expect(await rowOf((await put(domain, key, body)).json.id)).toMatchObject({ token_id: claimsOf(key).jti })
    }
    expect(await rowOf((await put(domain, adminToken)).json.id)).toMatchObject({ token_id: null })
  })
})

describe('its limits', () => {
  test('of size hold before and while the bytes come, and only make the policy narrower', async () => {
    const domain = await closed({ maxFileBytes: 10 })
    const key = await makeToken(domain, { maxFileBytes: 5 })
    const bodies = ['123456', chunkedBody(Buffer.from('123456'))]
    for (const body of bodies) {
      expect(expectProblem(await put(domain, key, body), 413, 'file-too-large')).toMatchObject({ limit: 5, value: 6 })
    }
    expectProblem(await postForm(domain.origin, [file('a', '123456')], { key, send }), 413, 'file-too-large')
    expectStatus(await put(domain, key, '12345'), 202)
    const wider = await makeToken(domain, { maxFileBytes: 1_000_000 })
    expect(expectProblem(await put(domain, wider, '12345678901'), 413, 'file-too-large').limit).toBe(10)
    expect(await holdings(domain)).toEqual(heldExactly(5))
  })

  test('of size hold for a file of many parts, of which nothing stays', async () => {
    const domain = await closed()
    const key = await makeToken(domain, { maxFileBytes: large.length - 1, uses: 1 })
    expectProblem(await put(domain, key, chunkedBody(large)), 413, 'file-too-large')
    expect(await holdings(domain)).toEqual(nothingHeld)
    expect(await usesTaken(domain)).toEqual([0])
  })

  test('of types', async () => {
    const domain = await closed({ deniedTypes: ['image/gif'] })
    const key = await makeToken(domain, { types: ['image/*', 'Application/PDF'] })
    const problem = expectProblem(await put(domain, key), 415, 'type-not-allowed')
    expect(problem).toMatchObject({ allowedTypes: ['image/*', 'application/pdf'], detectedType: 'text/plain' })
    expectStatus(await put(domain, key, samples.png(1, 1), 'a.png'), 202)
    expectStatus(await put(domain, key, samples.pdf, 'a.pdf'), 202)
    expectProblem(await put(domain, key, samples.gif, 'a.gif'), 415, 'type-not-allowed')
  })

  test('of types must lie within the policy', async () => {
    const domain = await closed({ allowedTypes: ['image/*', 'application/pdf'] })
    for (const types of [['*/*'], ['application/*'], ['text/plain'], ['image/png', 'video/mp4']]) {
      const problem = expectProblem(await askForToken(domain, { types }), 400, 'request-invalid')
      expect(problem.allowedTypes).toEqual(['image/*', 'application/pdf'])
    }
    for (const types of [['image/*'], ['image/png'], ['application/pdf', 'image/jpeg']]) {
      expectStatus(await askForToken(domain, { types }), 201)
    }
  })

  test('of types never make a type good for which only the client’s word speaks', async () => {
    const domain = await closed({ allowedTypes: ['image/*'] })
    const key = await makeToken(domain, { types: ['image/x-own'] })
    const options = { key, send, headers: { 'content-type': 'image/x-own' } }
    expectProblem(await putFile(domain.origin, 'a', noise(100), options), 415, 'type-not-allowed')
  })

  test('of files in a request', async () => {
    const domain = await closed({ maxFilesPerRequest: 3 })
    const files = (count: number) => Array.from({ length: count }, (_, at) => file(`${at}`, 'abc'))
    const form = async (maxFiles: number, count: number) =>
      postForm(domain.origin, files(count), { key: await makeToken(domain, { maxFiles }), send })
    expect(expectProblem(await form(2, 3), 413, 'too-many-files').limit).toBe(2)
    expect(expectProblem(await form(1000, 4), 413, 'too-many-files').limit).toBe(3)
    expect(await holdings(domain)).toEqual(nothingHeld)
    expectStatus(await form(2, 2), 202)
  })

  test.each<[type: string, isConfirmed: boolean, policy: string[], token: string[], allowed: boolean]>([
    ['image/png', true, ['*/*'], ['image/*'], true],
    ['image/png', true, ['image/png'], ['image/*'], true],
    ['image/png', true, ['image/*'], ['image/png'], true],
    ['image/png', true, ['image/jpeg'], ['image/*'], false],
    ['image/png', true, ['image/*'], ['image/jpeg'], false],
    ['image/png', false, ['image/*'], ['image/png'], false],
    ['image/png', false, ['image/png'], ['image/*'], false],
    ['image/png', false, ['image/png'], ['image/png'], true],
    ['image/png', true, [], ['image/png'], false],
  ])(
    '%s (confirmed: %s) with %j in the policy and %j in the token: %s',
    (type, isConfirmed, policy, types, allowed) => {
      const domain: Domain = {
        id: uuidv7(),
        slug: 'a',
        policy: policySchema.parse({ allowedTypes: policy }),
        suspendedAt: null,
        stored: { files: 0, bytes: 0 },
        jurisdiction: null,
      }
      const token = (limits: UploadLimits) => ({ tokenId: 'a', domainId: domain.id, keyId: null, expiresAt: 0, limits })
      expect(allowsType(narrowDomain(domain, token({ types })).policy, { type, isConfirmed })).toBe(allowed)
      expect(narrowDomain(domain, token({})).policy).toEqual(domain.policy)
      expect(narrowDomain(domain, null)).toBe(domain)
    },
  )
})

describe('its metadata', () => {
  let domain: TestDomain
  let key: string
  beforeAll(async () => {
    domain = await closed()
    key = await makeToken(domain, { metadata: { user: '4711' } })
  })
  const form = (metadata: object | null, as = key) =>
    postForm(
      domain.origin,
      [file('a', 'abc'), ...(metadata ? [field('metadata', JSON.stringify(metadata))] : []), file('b', 'abc')],
      { key: as, send },
    )

  test('goes to every file, beside what the client sends', async () => {
    expect((await put(domain, key)).json.metadata).toEqual({ user: '4711' })
    for (const [sent, kept] of [
      [null, { user: '4711' }],
      [{ a: '1' }, { a: '1', user: '4711' }],
      [{ user: '4711' }, { user: '4711' }],
    ] as const) {
      const answer = await form(sent)
      expectStatus(answer, 202)
      for (const { upload } of answer.json.results) {
        expect(upload.metadata).toEqual(kept)
        expect(JSON.parse((await rowOf(upload.id)).metadata as string)).toEqual(kept)
      }
    }
  })

  test('is not to be sent with another value', async () => {
    const before = await holdings(domain)
    expect(expectProblem(await form({ user: '1' }), 422, 'metadata-invalid').key).toBe('user')
    expect(await holdings(domain)).toEqual(before)
  })

  test('counts for the 2 KB', async () => {
    const full = await makeToken(domain, { metadata: { user: 'x'.repeat(1500) } })
    expectProblem(await form({ a: 'x'.repeat(600) }, full), 422, 'metadata-invalid')
    expectStatus(await form({ a: 'x'.repeat(400) }, full), 202)
  })

  test('is compared by the token’s own keys, whatever they are called', async () => {
    const odd = await makeToken(domain, { metadata: { constructor: 'a', toString: 'b' } })
    const answer = await form({ a: '1' }, odd)
    expectStatus(answer, 202)
    expect(answer.json.results[0].upload.metadata).toEqual({ a: '1', constructor: 'a', toString: 'b' })
    expectProblem(await form({ constructor: 'c' }, odd), 422, 'metadata-invalid')
  })
})

describe('its uses', () => {
  test('200 uploads at once with a token for 5 are 5', async () => {
    const domain = await closed()
    const key = await makeToken(domain, { uses: 5 })
    const answers = await Promise.all(Array.from({ length: 200 }, (_, at) => put(domain, key, `file ${at}`, `${at}`)))
    const accepted = answers.filter(({ status }) => status === 202)
    expect(accepted).toHaveLength(5)
    for (const answer of answers) if (answer.status !== 202) expectProblem(answer, 403, 'token-used-up')
    expect(await holdings(domain)).toEqual(heldExactly(...accepted.map(({ json }) => json.size)))
    expect(await usesTaken(domain)).toEqual([5])
  })

  test('large files at once take theirs when they are claimed', async () => {
    const domain = await closed()
    const key = await makeToken(domain, { uses: 2 })
    const answers = await Promise.all(Array.from({ length: 4 }, (_, at) => put(domain, key, large, `${at}`)))
    expect(answers.map(({ status }) => status).sort()).toEqual([202, 202, 403, 403])
    expect(await holdings(domain)).toEqual(heldExactly(large.length, large.length))
    expect(await usesTaken(domain)).toEqual([2])
    expectProblem(await put(domain, key), 403, 'token-used-up')
  })

  test('are files, not requests, and a request with more of them than are left is refused whole', async () => {
    const domain = await closed()
    const key = await makeToken(domain, { uses: 3 })
    const form = (...parts: ReturnType<typeof file>[]) => postForm(domain.origin, parts, { key, send })
    expectStatus(await form(file('a', 'a'), file('large', large)), 202)
    expect(await usesTaken(domain)).toEqual([2])
    expectProblem(await form(file('b', 'b'), file('c', 'c')), 403, 'token-used-up')
    expectProblem(await form(file('large', large), file('c', 'c')), 403, 'token-used-up')
    expectProblem(await form(file('c', 'c'), file('large', large)), 403, 'token-used-up')
    expect(await usesTaken(domain)).toEqual([2])
    // What is refused for itself is not used.
    expectStatus(await form(file('fake.png', 'abc', 'image/png'), file('d', 'd')), 207)
    expectProblem(await form(file('e', 'e')), 403, 'token-used-up')
    expect(await holdings(domain)).toEqual(heldExactly(1, large.length, 1))
  })

  test('of two tokens, and of none, are counted apart', async () => {
    const domain = await closed()
    const [one, two, unlimited] = [
      await makeToken(domain, { uses: 1 }),
      await makeToken(domain, { uses: 2 }),
      await makeToken(domain, { uses: null }),
    ]
    for (const key of [one, two, two, unlimited, unlimited, unlimited]) expectStatus(await put(domain, key), 202)
    for (const key of [one, two]) expectProblem(await put(domain, key), 403, 'token-used-up')
    expect((await usesTaken(domain)).sort()).toEqual([1, 2])
  })

  test('are given back by an upload that breaks off, or is refused after it was claimed', async () => {
    const domain = await closed()
    const key = await makeToken(domain, { uses: 1 })
    const { readable, writable } = new FixedLengthStream(large.length)
    const writer = writable.getWriter()
    const answering = put(domain, key, readable)
    await writer.write(large.subarray(0, large.length - 10))
    await eventually(async () => expect(await usesTaken(domain)).toEqual([1]))
    expectProblem(await put(domain, key), 403, 'token-used-up')
    await writer.abort(new Error('gone'))
    expectProblem(await answering, 400, 'body-incomplete')
    expect(await usesTaken(domain)).toEqual([0])
    const headers = { 'repr-digest': `sha-256=:${btoa('x'.repeat(32))}:` }
    expectProblem(await putFile(domain.origin, 'a', large, { key, send, headers }), 422, 'digest-mismatch')
    expect(await usesTaken(domain)).toEqual([0])
    expect(await holdings(domain)).toEqual(nothingHeld)
    expectStatus(await put(domain, key, large), 202)
    expectProblem(await put(domain, key), 403, 'token-used-up')
  })

  test('are given back once when the claim is deleted while its upload runs', async () => {
    const domain = await closed()
    const key = await makeToken(domain, { uses: 2 })
    expectStatus(await put(domain, key), 202)
    const { readable, writable } = new FixedLengthStream(large.length)
    const writer = writable.getWriter()
    const answering = put(domain, key, readable)
    await writer.write(large.subarray(0, large.length - 10))
    const claims = "SELECT id FROM uploaded_files WHERE domain_id = ? AND status = 'uploading'"
    const [claim] = await eventually(async () => {
      const rows = await allRows<{ id: string }>(claims, domain.id)
      expect(rows).toHaveLength(1)
      return rows
    })
    expect(await usesTaken(domain)).toEqual([2])
    expectStatus(await call('DELETE', `${domain.origin}/v1/uploads/${claim!.id}`, { ...asAdmin, send }), 204)
    expect(await usesTaken(domain)).toEqual([1])
    await writer.write(large.subarray(large.length - 10))
    await writer.close()
    expectProblem(await answering, 410, 'upload-deleted')
    expect(await usesTaken(domain)).toEqual([1])
  })

  test('are given back by the reconciler for a claim whose request died', async () => {
    const domain = await closed()
    const key = await makeToken(domain, { uses: 1, expiresInSeconds: 86_400 })
    const { readable, writable } = new FixedLengthStream(large.length)
    const writer = writable.getWriter()
    const answering = put(domain, key, readable)
    await writer.write(large.subarray(0, large.length - 10))
    await eventually(async () => expect(await usesTaken(domain)).toEqual([1]))
    const deps = depsWith({ deps: () => ({ now: () => Date.now() + 13 * 3600 * 1000, queue: new HeldQueue() }) })
    for (const place of deps.places) await reconcile({ ...deps, ...place })
    expect(await usesTaken(domain)).toEqual([0])
    await writer.abort(new Error('gone'))
    await answering
    expect(await usesTaken(domain)).toEqual([0])
  })

  test('are not given back by a file that was accepted and is deleted', async () => {
    const domain = await closed()
    const key = await makeToken(domain, { uses: 2 })
    for (const body of ['abc', large]) {
      const { id } = (await put(domain, key, body)).json
      expectStatus(await call('DELETE', `${domain.origin}/v1/uploads/${id}`, { ...asAdmin, send }), 204)
    }
    expectProblem(await put(domain, key), 403, 'token-used-up')
    expect(await usesTaken(domain)).toEqual([2])
  })

  test('are not taken by a commit that is refused for another reason', async () => {
    const domain = await closed()
    const key = await makeToken(domain, { uses: 1 })
    // The isolate remembers the domain without a quota, so that only the commit refuses.
    expectStatus(await call('GET', `${domain.origin}/v1/uploads`, { key: adminToken }), 200)
    const policy = JSON.stringify({ ...domain.policy, quotaBytes: 3 })
    await execute('UPDATE domain_policies SET policy = ? WHERE domain_id = ?', policy, domain.id)
    expectProblem(await put(domain, key, 'abcd'), 413, 'quota-exceeded')
    expectProblem(await put(domain, key, large), 413, 'quota-exceeded')
    expect(await usesTaken(domain)).toEqual([0])
    expectStatus(await put(domain, key, 'abc'), 202)
  })

  test('are taken once by a request and its repeats', async () => {
    const domain = await closed()
    const [key, other] = [await makeToken(domain, { uses: 1 }), await makeToken(domain, { uses: 1 })]
    const repeat = (as: string, body = 'abc') =>
      putFile(domain.origin, 'a', body, { key: as, send, headers: { 'idempotency-key': 'one' } })
    const first = await repeat(key)
    expectStatus(first, 202)
    for (let again = 0; again < 3; again++) expect((await repeat(key)).json).toEqual(first.json)
    expectProblem(await repeat(key, 'abd'), 422, 'idempotency-mismatch')
    expect(await usesTaken(domain)).toEqual([1])
    // Another token is another client: its key is its own.
    const others = await repeat(other)
    expectStatus(others, 202)
    expect(others.json.id).not.toBe(first.json.id)
    expect(await usesTaken(domain)).toEqual([1, 1])
  })

  test('at the same time as its repeats are one', async () => {
    const domain = await closed()
    const key = await makeToken(domain, { uses: 5 })
    const options = { key, send, headers: { 'idempotency-key': 'one' } }
    const answers = await Promise.all(Array.from({ length: 8 }, () => putFile(domain.origin, 'a', 'abc', options)))
    expect(new Set(answers.filter(({ status }) => status === 202).map(({ json }) => json.id)).size).toBe(1)
    expect(await usesTaken(domain)).toEqual([1])
  })

  test('stay taken when only the commit’s answer is lost', async () => {
    const domain = await closed()
    const key = await makeToken(domain, { uses: 1 })
    const DB = faultyD1(env.DB, (sql) => (sql.includes('stored_files +') ? 'after' : undefined))
    const lossy = appWith({ env: { DB }, deps: () => ({ queue: new HeldQueue() }) })
    expectStatus(await putFile(domain.origin, 'a', 'abc', { key, send: lossy }), 202)
    expect(await usesTaken(domain)).toEqual([1])
    expectProblem(await put(domain, key), 403, 'token-used-up')
  })

  test('cost no round trip, and without a token no statement either', async () => {
    const domain = await closed()
    const uploader = await makeKey(domain, ['upload'])
    const [counted, unlimited] = [await makeToken(domain, { uses: 9 }), await makeToken(domain)]
    for (const key of [uploader.key, counted]) expectStatus(await put(domain, key), 202)
    const statementsWith = async (key: string) => {
      const calls: string[] = []
      const DB = faultyD1(env.DB, (sql) => {
        calls.push(sql)
        return undefined
      })
      const watched = appWith({ env: { DB }, deps: () => ({ queue: new HeldQueue() }) })
      expectStatus(await putFile(domain.origin, 'a', 'abc', { key, send: watched }), 202)
      expect(calls).toHaveLength(1)
      return calls[0]!.split(';\n').length
    }
    // The account, the count of the day, the file and its event.
    expect(await statementsWith(uploader.key)).toBe(4)
    expect(await statementsWith(unlimited)).toBe(4)
    expect(await statementsWith(counted)).toBe(5)
  })

  test('are forgotten a day after the token has ended, when nothing can be committed with it', async () => {
    const domain = await closed()
    const key = await makeToken(domain, { uses: 1, expiresInSeconds: 60 })
    expectStatus(await put(domain, key), 202)
    const sweepAt = async (seconds: number) => {
      const deps = depsWith({
        deps: () => ({ now: () => (claimsOf(key).exp + seconds) * 1000, queue: new HeldQueue() }),
      })
      for (const place of deps.places) await reconcile({ ...deps, ...place })
    }
    await sweepAt(24 * 3600 - 1)
    expect(await usesTaken(domain)).toEqual([1])
    await sweepAt(24 * 3600)
    expect(await usesTaken(domain)).toEqual([])
  })

  test('can not be taken 12 hours after the token has ended, however long its request takes', async () => {
    const domain = await closed()
    // The database's clock is its own: to it the token has ended long ago.
    const past = Date.now() - 13 * 3600 * 1000
    const then = appWith({ deps: () => ({ now: () => past, queue: new HeldQueue() }) })
    const key = await makeToken(domain, { uses: 1, expiresInSeconds: 60 }, { ...asAdmin, send: then })
    for (const body of ['abc', large]) {
      expectProblem(await putFile(domain.origin, 'a', body, { key, send: then }), 408, 'body-timeout')
    }
    expect(await holdings(domain)).toEqual(nothingHeld)
    expect(await usesTaken(domain)).toEqual([])
  })
})
