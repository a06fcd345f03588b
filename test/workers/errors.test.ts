import { env } from 'cloudflare:workers'
import { v7 as uuidv7 } from 'uuid'
import { describe, expect, test, vi } from 'vitest'
import { type ErrorCode, errorCodes } from '../../src/core/errors.ts'
import { maxWatchersPerClient } from '../../src/core/watch.ts'
import { BufferPool } from '../../src/ingest/buffer-pool.ts'
import { problems } from '../../src/problem.ts'
import { noise } from '../support/e2e/bodies.ts'
import {
  type Answer,
  adminToken,
  call,
  execute,
  expectProblem,
  field,
  file,
  makeDomain,
  makeKey,
  postForm,
  putFile,
  type TestDomain,
  waitForStatus,
} from '../support/workers/client.ts'
import { appWith, depsWith, faultyD1, HeldQueue, overriding } from '../support/workers/faults.ts'
import { passing } from '../support/workers/passing.ts'
import { append, begun } from '../support/workers/resumable.ts'
import * as samples from '../support/workers/samples.ts'
import { created, head, idOf, patch } from '../support/workers/tus.ts'

vi.setConfig({ testTimeout: 30_000 })

const asAdmin = { key: adminToken }
const apex = 'http://localhost'
/** Nothing here is about processing. */
const send = appWith({ deps: () => ({ queue: new HeldQueue() }) })
const put = async (domain: TestDomain) => (await putFile(domain.origin, 'a', 'abc', { send })).json
const json = { 'content-type': 'application/json' }

const makeNamed = (slug: string, hostnames: string[] = []) =>
  call('POST', `${apex}/v1/domains`, { ...asAdmin, headers: json, body: JSON.stringify({ slug, hostnames }) })

/** QStash as the queue, with keys that nobody signs with here. */
const withQStash = appWith({
  env: {
    CALLBACK_URL: 'https://callbacks.example',
    QSTASH_TOKEN: 'token',
    QSTASH_CURRENT_SIGNING_KEY: 'current',
    QSTASH_NEXT_SIGNING_KEY: 'next',
  },
})

/** How each code is brought about, from outside. The compiler holds the list against the codes that there are. */
const provoked: Record<ErrorCode, () => Promise<Answer>> = {
  'request-invalid': async () => call('GET', `${(await makeDomain()).origin}/v1/uploads?limit=0`, asAdmin),
  'multipart-malformed': async () =>
    call('POST', `${(await makeDomain()).origin}/v1/uploads`, {
      headers: { 'content-type': 'multipart/form-data; boundary=x' },
      body: '--x\r\nnonsense',
    }),
  'multipart-limit': async () =>
    postForm((await makeDomain()).origin, [field('metadata', 'x'.repeat(20_000)), file('a', 'abc')]),
  'body-incomplete': async () => {
    const { readable, writable } = new FixedLengthStream(10)
    const writer = writable.getWriter()
    const answering = putFile((await makeDomain()).origin, 'a', readable, { send })
    await writer.write(new Uint8Array(5))
    await writer.abort(new Error('gone'))
    return answering
  },
  'body-timeout': async () => {
    const domain = await makeDomain()
    return passing(130_000, () => putFile(domain.origin, 'a', new ReadableStream({ type: 'bytes' }), { send }))
  },
  'no-file': async () => postForm((await makeDomain()).origin, [field('a', 'abc')]),
  'domain-required': async () => postForm(apex, [file('a', 'abc')]),
  'domain-not-found': async () => postForm(`${apex}?domain=nobody`, [file('a', 'abc')]),
  'domain-conflict': async () => {
    const [one, two] = [await makeDomain(), await makeDomain()]
    return postForm(`${one.origin}?domain=${two.slug}`, [file('a', 'abc')])
  },
  'domain-exists': async () => makeNamed((await makeDomain()).slug),
  'domain-deleted': async () => {
    const url = `${apex}/v1/domains/${(await makeDomain()).slug}`
    await call('DELETE', url, asAdmin)
    const later = appWith({ deps: () => ({ now: () => Date.now() + 8 * 24 * 3600_000 }) })
    return call('POST', `${url}/restore`, { ...asAdmin, send: later })
  },
  'domain-suspended': async () => {
    const domain = await makeDomain()
    await env.DB.prepare('UPDATE domain_accounts SET suspended_at = 1 WHERE domain_id = ?').bind(domain.id).run()
    return putFile(domain.origin, 'a', 'abc')
  },
  'hostname-taken': async () => {
    await makeNamed('keeper', ['taken.example'])
    return makeNamed('taker', ['taken.example'])
  },
  'hostname-not-found': async () =>
    call('DELETE', `${apex}/v1/domains/${(await makeDomain()).slug}/hostnames/nobodys.example`, asAdmin),
  'hostname-unverified': async () => {
    const domain = await makeDomain()
    const { key } = await makeKey(domain, ['manage'])
    const url = `${apex}/v1/domains/${domain.slug}/hostnames`
    await call('POST', url, { key, headers: json, body: '{"hostname":"claimed.example"}' })
    const unknown = appWith({ deps: () => ({ lookUpTxt: async () => ({ kind: 'no-name' }) }) })
    return call('POST', `${url}/claimed.example/verify`, { key, send: unknown })
  },
  'limit-reached': async () => {
    const hostnames = Array.from({ length: 50 }, (_, index) => `n${index}.many.example`)
    const { slug } = await makeDomain({}, hostnames)
    const url = `${apex}/v1/domains/${slug}/hostnames`
    return call('POST', url, { ...asAdmin, headers: json, body: '{"hostname":"one-more.many.example"}' })
  },
  'policy-too-wide': async () => {
    const domain = await makeDomain({ maxFileBytes: 100 })
    const { key } = await makeKey(domain, ['manage'])
    const url = `${apex}/v1/domains/${domain.slug}`
    return call('PATCH', url, { key, headers: json, body: '{"policy":{"maxFileBytes":101}}' })
  },
  'credential-required': async () => call('GET', `${(await makeDomain()).origin}/v1/uploads`),
  'credential-invalid': async () =>
    call('GET', `${(await makeDomain()).origin}/v1/uploads`, { key: 'nobody-issued-me' }),
  forbidden: async () => {
    const domain = await makeDomain()
    return call('GET', `${domain.origin}/v1/uploads`, { key: (await makeKey(domain, ['upload'])).key })
  },
  'token-used-up': async () => {
    const domain = await makeDomain()
    const { json: made } = await call('POST', `${domain.origin}/v1/upload-tokens`, {
      ...asAdmin,
      headers: json,
      body: JSON.stringify({ uses: 1 }),
    })
    await putFile(domain.origin, 'a', 'abc', { key: made.token, send })
    return putFile(domain.origin, 'b', 'abc', { key: made.token, send })
  },
  'too-many-watchers': async () => {
    const domain = await makeDomain()
    const { id } = await put(domain)
    const { watchers } = depsWith()
    const watch = { fileId: id, statuses: null, changeAfter: null, client: 'address:unknown' }
    const here = { id: domain.id, jurisdiction: null }
    const open = await Promise.all(Array.from({ length: maxWatchersPerClient }, () => watchers.open(here, watch)))
    const answer = await call('GET', `${domain.origin}/v1/uploads/${id}/events`)
    for (const { body } of open) await body.cancel()
    return answer
  },
  'origin-not-allowed': async () =>
    putFile((await makeDomain()).origin, 'a', 'abc', { headers: { origin: 'https://elsewhere.example' } }),
  'signature-invalid': () => call('POST', 'https://callbacks.example/internal/jobs', { body: '{}', send: withQStash }),
  'route-not-found': () => call('GET', `${apex}/nothing`),
  'method-not-allowed': () => call('POST', `${apex}/healthz`),
  'key-not-found': async () =>
    call('DELETE', `${apex}/v1/domains/${(await makeDomain()).slug}/keys/${uuidv7()}`, asAdmin),
  'webhook-not-found': async () =>
    call('GET', `${apex}/v1/domains/${(await makeDomain()).slug}/webhooks/${uuidv7()}`, asAdmin),
  'webhook-disabled': async () => {
    const url = `${apex}/v1/domains/${(await makeDomain()).slug}/webhooks`
    const body = '{"url":"https://hooks.example.com/","enabled":false}'
    const { json: endpoint } = await call('POST', url, { ...asAdmin, headers: json, body })
    return call('POST', `${url}/${endpoint.id}/test`, asAdmin)
  },
  'delivery-not-found': async () => {
    const url = `${apex}/v1/domains/${(await makeDomain()).slug}/deliveries/${uuidv7()}/redeliver`
    return call('POST', url, asAdmin)
  },
  'callback-not-allowed': async () =>
    putFile((await makeDomain()).origin, 'a', 'abc', { headers: { 'x-callback-url': 'https://hooks.example.com/' } }),
  'url-not-allowed': async () => {
    const url = `${apex}/v1/domains/${(await makeDomain()).slug}/webhooks`
    return call('POST', url, { ...asAdmin, headers: json, body: '{"url":"https://169.254.169.254/"}' })
  },
  'upload-not-found': async () => call('GET', `${(await makeDomain()).origin}/v1/uploads/${uuidv7()}`),
  'variant-not-found': async () => {
    const domain = await makeDomain()
    const { id } = await put(domain)
    await execute("UPDATE uploaded_files SET status = 'complete', next_publish_at = NULL WHERE id = ?", id)
    return call('GET', `${domain.origin}/v1/uploads/${id}/variants/thumb`)
  },
  'upload-deleted': async () => {
    const domain = await makeDomain()
    const url = `${domain.origin}/v1/uploads/${(await put(domain)).id}`
    await call('DELETE', url, { ...asAdmin, send })
    return call('GET', url)
  },
  'not-ready': async () => {
    const domain = await makeDomain()
    return call('GET', `${domain.origin}/v1/uploads/${(await put(domain)).id}/content`)
  },
  'status-conflict': async () => {
    const domain = await makeDomain()
    return call('POST', `${domain.origin}/v1/uploads/${(await put(domain)).id}/reprocess`, asAdmin)
  },
  'offset-mismatch': async () => patch(await created(await makeDomain(), 10), 3, 'abc'),
  'append-superseded': async () => {
    const url = await created(await makeDomain(), 10)
    const { readable, writable } = new FixedLengthStream(10)
    const appending = patch(url, 0, readable)
    const writer = writable.getWriter()
    await writer.write(new Uint8Array(5))
    await head(url)
    await writer.abort(new Error('gone'))
    return appending
  },
  'tus-version-unsupported': async () => call('DELETE', `${(await makeDomain()).origin}/v1/tus/${uuidv7()}`),
  'upload-length-inconsistent': async () => append(await begun(await makeDomain(), 10), 0, 'abc', true),
  'upload-completed': async () => {
    const domain = await makeDomain()
    const url = await begun(domain)
    await append(url, 0, 'abc', true)
    await waitForStatus(domain, idOf(url))
    return append(url, 3, undefined, true)
  },
  'checksum-mismatch': async () =>
    patch(await created(await makeDomain(), 10), 0, 'abc', {
      headers: { 'upload-checksum': `md5 ${btoa('0123456789abcdef')}` },
    }),
  'file-too-large': async () => putFile((await makeDomain({ maxFileBytes: 2 })).origin, 'a', 'abc'),
  'request-too-large': async () => putFile((await makeDomain({ maxRequestBytes: 2 })).origin, 'a', 'abc'),
  'too-many-files': async () =>
    postForm((await makeDomain({ maxFilesPerRequest: 1 })).origin, [file('a', 'a'), file('b', 'b')]),
  'quota-exceeded': async () => putFile((await makeDomain({ quotaBytes: 2 })).origin, 'a', 'abc'),
  'type-not-allowed': async () => putFile((await makeDomain({ allowedTypes: ['image/*'] })).origin, 'a', 'abc'),
  'type-contradicted': async () =>
    putFile((await makeDomain()).origin, 'a', samples.html, { headers: { 'content-type': 'image/png' } }),
  'extension-not-allowed': async () => putFile((await makeDomain({ allowedExtensions: ['pdf'] })).origin, 'a', 'abc'),
  'content-type-unsupported': async () =>
    call('POST', `${(await makeDomain()).origin}/v1/uploads`, { headers: json, body: '{}' }),
  'metadata-invalid': async () => postForm((await makeDomain()).origin, [field('metadata', '[]'), file('a', 'abc')]),
  'idempotency-key-invalid': async () =>
    putFile((await makeDomain()).origin, 'a', 'abc', { headers: { 'idempotency-key': 'not visible' } }),
  'idempotency-in-progress': async () => {
    const domain = await makeDomain()
    const headers = { 'idempotency-key': 'one' }
    const { readable, writable } = new FixedLengthStream(3)
    const writer = writable.getWriter()
    const first = putFile(domain.origin, 'a', readable, { headers, send })
    await writer.write(new Uint8Array(1))
    await vi.waitFor(async () => {
      const row = await env.DB.prepare('SELECT 1 FROM idempotency_keys WHERE domain_id = ?').bind(domain.id).first()
      expect(row).not.toBeNull()
    })
    const second = await putFile(domain.origin, 'a', 'abc', { headers, send })
    await writer.abort(new Error('gone'))
    await first
    return second
  },
  'idempotency-mismatch': async () => {
    const domain = await makeDomain()
    const headers = { 'idempotency-key': 'one' }
    await putFile(domain.origin, 'a', 'abc', { headers, send })
    return putFile(domain.origin, 'a', 'abcd', { headers, send })
  },
  'dead-letter-not-found': () => call('POST', `${apex}/v1/admin/dead-letters/${uuidv7()}/retry`, asAdmin),
  'digest-invalid': async () =>
    putFile((await makeDomain()).origin, 'a', 'abc', { headers: { 'content-digest': 'nonsense' } }),
  'digest-mismatch': async () => {
    const headers = { 'content-digest': `sha-256=:${btoa('x'.repeat(32))}:` }
    return putFile((await makeDomain()).origin, 'a', 'abc', { headers })
  },
  'range-not-satisfiable': async () => {
    const domain = await makeDomain({ readBeforeComplete: true })
    const headers = { range: 'bytes=3-' }
    return call('GET', `${domain.origin}/v1/uploads/${(await put(domain)).id}/content`, { headers })
  },
  'precondition-failed': async () => {
    const domain = await makeDomain({ readBeforeComplete: true })
    const headers = { 'if-match': '"other"' }
    return call('GET', `${domain.origin}/v1/uploads/${(await put(domain)).id}/content`, { headers })
  },
  busy: async () => {
    const domain = await makeDomain()
    const full = appWith({ deps: () => ({ pool: new BufferPool(1024) }) })
    return passing(30_000, () => putFile(domain.origin, 'a', noise(100_000), { send: full }))
  },
  unavailable: async () => {
    const DB = faultyD1(env.DB, (sql) => (sql.includes('stored_files +') ? 'before' : undefined))
    return putFile((await makeDomain()).origin, 'a', 'abc', { send: appWith({ env: { DB } }) })
  },
  'rate-limited': async () => {
    const domain = await makeDomain({ uploadsPerMinute: 1 })
    await put(domain)
    return putFile(domain.origin, 'a', 'abc')
  },
  misconfigured: () => call('GET', `${apex}/healthz`, { send: appWith({ env: { DB: undefined } }) }),
  internal: async () => {
    const DB = overriding(env.DB, { prepare: (sql) => env.DB.prepare(`${sql} nonsense`) })
    return call('GET', `${(await makeDomain()).origin}/v1/uploads/x`, { send: appWith({ env: { DB } }) })
  },
}

/** What a client is told beside the sentence, so that it need not be read. */
const facts: Partial<Record<ErrorCode, object>> = {
  'file-too-large': { limit: 2, value: 3, filename: 'a' },
  'request-too-large': { limit: 2, value: 3 },
  'too-many-files': { limit: 1 },
  'multipart-limit': { limit: expect.any(Number), rule: 'field-too-large' },
  'multipart-malformed': { rule: expect.any(String) },
  'type-not-allowed': { detectedType: 'text/plain', allowedTypes: ['image/*'] },
  'type-contradicted': { declaredType: 'image/png', detectedType: 'text/plain' },
  'request-invalid': { problems: [{ at: 'query.limit', message: expect.any(String) }] },
  'domain-conflict': { domains: [expect.any(String), expect.any(String)] },
  'method-not-allowed': { allow: expect.arrayContaining(['GET']) },
  'not-ready': { uploadStatus: 'pending' },
  'status-conflict': { uploadStatus: 'pending' },
  forbidden: { scope: 'read' },
  'origin-not-allowed': { origin: 'https://elsewhere.example' },
  'rate-limited': { policy: 'uploads', limit: 1, windowSeconds: 60 },
  'limit-reached': { limit: 50 },
  'policy-too-wide': {
    problems: [{ at: 'json.policy.maxFileBytes', limit: 100, value: 101, message: expect.any(String) }],
  },
  'hostname-unverified': {
    dns: 'no-name',
    hostname: 'claimed.example',
    record: { name: '_stevedore.claimed.example', type: 'TXT', value: expect.stringMatching(/^stevedore-domain=/) },
  },
}

/** Refusals that another try may mend say when. */
const retriable: readonly ErrorCode[] = [
  'busy',
  'unavailable',
  'idempotency-in-progress',
  'rate-limited',
  'too-many-watchers',
]

describe('each error code', () => {
  test.each(errorCodes)('%s', async (code) => {
    const answer = await provoked[code]()
    const problem = expectProblem(answer, problems[code].status, code)
    expect(problem.title).toBe(problems[code].title)
    expect(problem).toMatchObject(facts[code] ?? {})
    expect(answer.headers.get('www-authenticate')).toBe(answer.status === 401 ? 'Bearer' : null)
    expect(answer.headers.has('retry-after')).toBe(retriable.includes(code))
    // A sentence for a person, and nothing of the inside.
    expect(problem.detail).toMatch(/^[\S ]{10,}$/)
    expect(JSON.stringify(problem)).not.toMatch(/D1_|SQLITE|at async|\.ts:|undefined|\[object/)
  })
})
