import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { noise } from '../support/e2e/bodies.ts'
import {
  adminToken,
  call,
  expectProblem,
  expectStatus,
  file,
  holdings,
  makeDomain,
  nothingHeld,
  postForm,
  putFile,
  type TestDomain,
} from '../support/workers/client.ts'
import { closeWorkshop, openWorkshop, receiverOrigin, type WebhookWorkshop } from '../support/workers/webhooks.ts'

vi.setConfig({ testTimeout: 30_000 })

const url = `${receiverOrigin}/callback`
const day = 24 * 3600_000

let shop: WebhookWorkshop
let domain: TestDomain

beforeAll(() => {
  for (const method of ['error', 'warn'] as const) vi.spyOn(console, method).mockImplementation(() => {})
})
beforeEach(async () => {
  ;({ shop, domain } = await openWorkshop({ callbackHosts: ['receiver.example'] }))
})
afterAll(closeWorkshop)

/** Gives the domain a new secret, which the receiver knows. */
async function knownSecret(): Promise<string> {
  const answer = await shop.administer(domain, 'POST', '/callback-secret')
  expectStatus(answer, 201)
  shop.receiver.listen('/callback', answer.json.secret)
  return answer.json.secret
}

const field = (value: string) => ({ name: 'callback_url', content: value })
const header = (value = url) => ({ send: shop.send, headers: { 'x-callback-url': value } })
const form = (parts: Parameters<typeof postForm>[1], more = {}) =>
  postForm(domain.origin, parts, { send: shop.send, ...more })

describe('a callback', () => {
  test.each([
    ['by a field before the files', () => form([field(url), file('a', 'abc'), file('b', 'def')]), 2],
    ['by a field behind the file', () => form([file('a', 'abc'), field(url)]), 1],
    ['by the header of a form', () => form([file('a', 'abc')], header()), 1],
    ['by both, if they say the same', () => form([field(url), file('a', 'abc')], header()), 1],
    ['by the header of a raw upload', () => putFile(domain.origin, 'a', 'abc', header()), 1],
    ['of a large file', () => putFile(domain.origin, 'a', noise(6 * 1024 * 1024), header()), 1],
  ])('%s is told once how each upload ends', async (_name, send, count) => {
    await knownSecret()
    const answer = await send()
    expectStatus(answer, 202)
    await shop.drain()
    const ids: string[] = answer.json.results?.map(({ upload }: { upload: { id: string } }) => upload.id) ?? [
      answer.json.id,
    ]
    expect(shop.receiver.unverified).toEqual([])
    expect(shop.receiver.at('/callback').map(({ data }) => data.id)).toEqual(ids)
    expect(ids).toHaveLength(count)
    for (const { type, data } of shop.receiver.received) {
      expect(type).toBe('upload.complete')
      expect(data).toMatchObject({ domain: domain.slug, generation: 1, upload: { status: 'complete' } })
    }
    const read = await call('GET', `${domain.origin}/v1/uploads/${ids[0]}`)
    expect(read.text).not.toContain(receiverOrigin)
    const [delivery] = await shop.deliveries(domain)
    expect(delivery).toMatchObject({ endpointId: null, callbackUrl: url, status: 'delivered', attempts: 1 })
  })

  test('is told of a generation more, of a file that failed, and of nothing in between', async () => {
    await knownSecret()
    const { json } = await putFile(domain.origin, 'a', 'abc', header())
    await shop.drain()
    await call('POST', `${domain.origin}/v1/uploads/${json.id}/reprocess`, { key: adminToken, send: shop.send })
    const { env } = await import('cloudflare:workers')
    await env.BUCKET.delete(`${json.id}/${domain.id}`)
    await shop.drain()
    expect(shop.receiver.at('/callback').map(({ type, data }) => [type, data.generation])).toEqual([
      ['upload.complete', 1],
      ['upload.failed', 2],
    ])
  })

  test('is told although its domain was found to tell nobody, and beside the endpoints', async () => {
    await knownSecret()
    await putFile(domain.origin, 'a', 'abc', { send: shop.send })
    await shop.drain()
    expect(shop.receiver.received).toEqual([])
    await putFile(domain.origin, 'b', 'abc', header())
    await shop.drain()
    expect(shop.receiver.at('/callback')).toHaveLength(1)
    await shop.endpoint(domain, '/endpoint', ['upload.complete'])
    await putFile(domain.origin, 'c', 'abc', header())
    await shop.drain()
    expect(shop.receiver.received.map(({ path }) => path).sort()).toEqual(['/callback', '/callback', '/endpoint'])
  })

  test('is signed by the secret before as well, for a day after there is a new one', async () => {
    await knownSecret()
    const send = async () => {
      expectStatus(await putFile(domain.origin, 'a', 'abc', header()), 202)
      await shop.drain()
    }
    await send()
    await shop.administer(domain, 'POST', '/callback-secret')
    await send()
    await knownSecret()
    shop.aheadMs += day + 1
    await send()
    expect(shop.receiver.at('/callback').map(({ signatures }) => signatures)).toEqual([1, 2, 1])
    expect((await shop.administer(domain, 'GET', '/callback-secret')).text).not.toContain('whsec_')
  })

  test('that fails is sent again, and not to a host that the policy has no more', async () => {
    await knownSecret()
    shop.receiver.behave('/callback', () => new Response(null, { status: 500 }))
    await putFile(domain.origin, 'a', 'abc', header())
    await shop.runOnce()
    await shop.runOnce()
    expect(await shop.deliveries(domain)).toMatchObject([{ status: 'waiting', attempts: 1 }])
    await shop.administer(domain, 'PATCH', '', { policy: { callbackHosts: ['other.example'] } })
    await shop.drain(shop.deps({}, { directory: shop.deps().directory }))
    const [delivery] = await shop.deliveries(domain)
    expect(delivery).toMatchObject({ status: 'failed', attempts: 2 })
    expect(delivery.lastAttempt.error).toContain('none of this domain')
    expect(shop.receiver.received).toHaveLength(1)
  })

  test.each([
    ['a host that is not listed', 'https://elsewhere.example/', 'receiver.example'],
    ['a host below a listed one', 'https://a.receiver.example/', 'receiver.example'],
    ['the host that a wildcard is below of', url, '*.receiver.example'],
    ['a private address', 'https://10.0.0.1/', 'receiver.example'],
    ['a URL with a password', 'https://a:b@receiver.example/', 'receiver.example'],
    ['no URL', 'hello', 'receiver.example'],
  ])('to %s is refused, and nothing is stored', async (_name, callback, host) => {
    domain = await makeDomain({ callbackHosts: [host] })
    expectProblem(await putFile(domain.origin, 'a', 'abc', header(callback)), 422, 'callback-not-allowed')
    expectProblem(await form([file('a', 'abc')], header(callback)), 422, 'callback-not-allowed')
    expectProblem(await form([field(callback), file('a', 'abc')]), 422, 'callback-not-allowed')
    expectProblem(await form([file('a', 'abc'), field(callback)]), 422, 'callback-not-allowed')
    expect(await holdings(domain)).toEqual(nothingHeld)
    expect(shop.queue.take()).toEqual([])
  })

  test('goes nowhere by default, and may be one only', async () => {
    const closed = await makeDomain()
    const refused = await putFile(closed.origin, 'a', 'abc', header())
    expectProblem(refused, 422, 'callback-not-allowed')
    expect(refused.json.detail).toContain('names no host for callbacks')
    expectProblem(await form([field(`${url}/2`), file('a', 'abc')], header()), 400, 'request-invalid')
    expectProblem(await form([field(url), field(`${url}/2`), file('a', 'abc')]), 400, 'request-invalid')
  })

  test('to any host below a wildcard is taken', async () => {
    domain = await makeDomain({ callbackHosts: ['*.example'] })
    expectStatus(await putFile(domain.origin, 'a', 'abc', header()), 202)
  })

  test('makes a repeat with another one another request', async () => {
    const keyed = (callback: string) => ({
      send: shop.send,
      headers: { 'x-callback-url': callback, 'idempotency-key': 'one' },
    })
    await knownSecret()
    const first = await putFile(domain.origin, 'a', 'abc', keyed(url))
    expectStatus(first, 202)
    expect((await putFile(domain.origin, 'a', 'abc', keyed(url))).json.id).toBe(first.json.id)
    expectProblem(await putFile(domain.origin, 'a', 'abc', keyed(`${url}/2`)), 422, 'idempotency-mismatch')
    await shop.drain()
    expect(shop.receiver.received).toHaveLength(1)
  })
})
