import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeDomain, type TestDomain } from '../support/e2e/domains.ts'
import type { Answer } from '../support/e2e/http.ts'
import { adminToken, type LocalWorker, startLocalWorker } from '../support/e2e/local-worker.ts'
import { cname, type DnsEntry, type Resolver, startResolver, txt } from '../support/e2e/resolver.ts'

let resolver: Resolver
let worker: LocalWorker
let domain: TestDomain
let key: string

beforeAll(async () => {
  resolver = await startResolver()
  worker = await startLocalWorker({ DNS_OVER_HTTPS_URL: resolver.url })
  domain = await makeDomain(worker)
  key = await manageKey(domain)
}, 120_000)

afterAll(async () => {
  await worker?.stop()
  await resolver?.stop()
})

function administer(of: TestDomain, as: string, method: string, path: string, body?: object): Promise<Answer> {
  return worker.call(method, `/v1/domains/${of.slug}${path}`, {
    headers: { authorization: `Bearer ${as}`, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  })
}

async function manageKey(of: TestDomain): Promise<string> {
  const answer = await administer(of, adminToken, 'POST', '/keys', { scopes: ['manage'] })
  expect(answer.status, answer.body.toString()).toBe(201)
  return answer.json().key
}

let made = 0

/** Claims a hostname that nobody has, tells the resolver what to say of it, and has it verified. */
async function verify(entry: (value: string) => DnsEntry | null): Promise<{ hostname: string; answer: Answer }> {
  const hostname = `files-${++made}.example`
  const claimed = await administer(domain, key, 'POST', '/hostnames', { hostname })
  expect(claimed.status, claimed.body.toString()).toBe(201)
  expect(claimed.json()).toMatchObject({ hostname, status: 'pending' })
  const { name, value } = claimed.json().record
  const known = entry(value)
  if (known) resolver.names.set(name, known)
  return { hostname, answer: await administer(domain, key, 'POST', `/hostnames/${hostname}/verify`) }
}

const upload = (host: string) => worker.call('PUT', '/v1/uploads/a.txt', { host, body: 'abc' })

describe('a hostname is proved by its TXT record', () => {
  test.each<[string, (value: string) => DnsEntry]>([
    ['alone', (value) => ({ records: [txt(`"${value}"`)] })],
    ['among others', (value) => ({ records: [txt('"v=spf1 -all"'), txt(`"${value}"`), txt('"x"')] })],
    ['in several strings', (value) => ({ records: [txt(`"${value.slice(0, 9)}" "${value.slice(9)}"`)] })],
    ['behind an alias', (value) => ({ records: [cname('proof.example.'), txt(`"${value}"`)] })],
    ['without quotes', (value) => ({ records: [txt(value)] })],
    ['with escapes', (value) => ({ records: [txt(`"\\115${value.slice(1)}"`)] })],
  ])('%s', async (_name, entry) => {
    const { hostname, answer } = await verify(entry)
    expect(answer.status, answer.body.toString()).toBe(200)
    expect(answer.json()).toMatchObject({ hostname, status: 'active' })
    expect(resolver.asked.at(-1)).toBe(`_stevedore.${hostname} TXT`)
    const sent = await upload(hostname)
    expect(sent.status, sent.body.toString()).toBe(202)
    expect(sent.json().domain).toBe(domain.slug)
  })

  test.each<[string, string, (value: string) => DnsEntry | null, string[]]>([
    ['there is no such name', 'no-name', () => null, []],
    ['it has no TXT record', 'no-record', () => ({ records: [] }), []],
    ['there is only an alias', 'no-record', () => ({ records: [cname('proof.example.')] }), []],
    ['it says something else', 'other-values', () => ({ records: [txt('"a \\"b\\""')] }), ['a "b"']],
    ['it says more', 'other-values', (value) => ({ records: [txt(`"${value} "`)] }), [expect.stringMatching(/ $/)]],
    ['the name servers fail', 'failed', () => ({ code: 2 }), []],
    ['the name servers refuse', 'failed', () => ({ code: 5 }), []],
  ])('but not when %s: %s', async (_name, dns, entry, found) => {
    const { hostname, answer } = await verify(entry)
    expect(answer.status, answer.body.toString()).toBe(409)
    expect(answer.json()).toMatchObject({
      code: 'hostname-unverified',
      dns,
      found,
      hostname,
      record: { name: `_stevedore.${hostname}`, type: 'TXT', value: `stevedore-domain=${domain.id}` },
    })
    expect((await upload(hostname)).status).toBe(404)
  })

  test.each<[string, DnsEntry]>([
    ['answers 500', { answer: (response) => response.writeHead(500).end() }],
    ['answers something else', { answer: (response) => response.end('<html>') }],
    ['answers another shape', { answer: (response) => response.end('{"Status":"0"}') }],
    [
      'sends elsewhere',
      { answer: (response) => response.writeHead(302, { location: 'http://127.0.0.1:1/dns-query' }).end() },
    ],
    ['breaks off', { answer: (response) => response.socket?.destroy() }],
    ['does not answer', { answer: () => {} }],
    ['never ends', { answer: (response) => response.end(`{"Status":0,"x":"${'x'.repeat(300_000)}"}`) }],
  ])('nor when the resolver %s, which another try may mend', async (_name, entry) => {
    const { hostname, answer } = await verify(() => entry)
    expect(answer.status, answer.body.toString()).toBe(503)
    expect(answer.json()).toMatchObject({ code: 'unavailable' })
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
    expect((await upload(hostname)).status).toBe(404)
  })

  test('the administrator’s word is enough, and DNS is not asked', async () => {
    const { hostname } = await verify(() => null)
    const before = resolver.asked.length
    const confirmed = await administer(domain, adminToken, 'POST', `/hostnames/${hostname}/verify`)
    expect(confirmed.json()).toMatchObject({ hostname, status: 'active' })
    expect(resolver.asked).toHaveLength(before)
    expect((await upload(hostname)).status).toBe(202)
  })

  test('of two domains that prove the same one, the first has it, until it gives it up', async () => {
    const hostname = 'both.example'
    const other = await makeDomain(worker)
    const otherKey = await manageKey(other)
    const records = []
    for (const [of, as] of [
      [domain, key],
      [other, otherKey],
    ] as const) {
      const claimed = await administer(of, as, 'POST', '/hostnames', { hostname })
      expect(claimed.status, claimed.body.toString()).toBe(201)
      records.push(txt(`"${claimed.json().record.value}"`))
    }
    resolver.names.set(`_stevedore.${hostname}`, { records })
    const verified = await Promise.all([
      administer(domain, key, 'POST', `/hostnames/${hostname}/verify`),
      administer(other, otherKey, 'POST', `/hostnames/${hostname}/verify`),
    ])
    expect(verified.map(({ status }) => status).sort()).toEqual([200, 409])
    expect(verified.find(({ status }) => status === 409)?.json().code).toBe('hostname-taken')
    const [winner, winnerKey, loser, loserKey] =
      verified[0]?.status === 200 ? [domain, key, other, otherKey] : [other, otherKey, domain, key]
    expect((await upload(hostname)).json().domain).toBe(winner.slug)
    expect((await administer(winner, winnerKey, 'DELETE', `/hostnames/${hostname}`)).status).toBe(204)
    expect((await administer(loser, loserKey, 'POST', `/hostnames/${hostname}/verify`)).status).toBe(200)
    expect((await upload(hostname)).json().domain).toBe(loser.slug)
  })
})
