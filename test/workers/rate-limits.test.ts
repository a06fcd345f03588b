import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { randomUUID } from 'node:crypto'
import { describe, expect, test, vi } from 'vitest'
import { networkOf } from '../../src/core/client-address.ts'
import type { RateLimiter } from '../../src/core/ports.ts'
import { type RateBucket, rateWindowSeconds } from '../../src/core/rate-limit.ts'
import { DurableRateLimiter } from '../../src/limits/durable.ts'
import {
  type Answer,
  adminToken,
  type Call,
  call,
  expectProblem,
  expectStatus,
  field,
  file,
  heldExactly,
  holdings,
  makeDomain,
  makeKey,
  postForm,
  putFile,
  type TestDomain,
} from '../support/workers/client.ts'
import { appWith, HeldQueue } from '../support/workers/faults.ts'
import { makeToken } from '../support/workers/tokens.ts'

vi.setConfig({ testTimeout: 30_000 })

const windowMs = rateWindowSeconds * 1000
/** The start of a window that has not come yet: what is really later than a count does not make it be forgotten. */
let now = Math.ceil(Date.now() / windowMs) * windowMs

/** The Worker with its Durable Objects, in which it is `now`. Nothing here is about processing. */
const send = appWith({
  deps: () => ({ queue: new HeldQueue(), rateLimiter: new DurableRateLimiter(env.RATE_LIMITS, () => now) }),
})

const from = (address: string) => ({ 'cf-connecting-ip': address })
const put = (domain: TestDomain, options: Call = {}) => putFile(domain.origin, 'a', 'abc', { send, ...options })
const list = (domain: TestDomain, options: Call = {}) =>
  call('GET', `${domain.origin}/v1/uploads`, { send, ...options })

async function statuses(times: number, ask: () => Promise<Answer>): Promise<number[]> {
  const found: number[] = []
  while (found.length < times) found.push((await ask()).status)
  return found
}

describe('a limit on what is sent', () => {
  test('lets exactly as many pass in a minute, and again in the next', async () => {
    const domain = await makeDomain({ uploadsPerMinute: 3 })
    expect(await statuses(4, () => put(domain))).toEqual([202, 202, 202, 429])
    expect(await holdings(domain)).toEqual(heldExactly(3, 3, 3))
    now += 2 * windowMs
    expect(await statuses(4, () => put(domain))).toEqual([202, 202, 202, 429])
  })

  test('says how much is left on every answer, and on a refusal when to come back', async () => {
    const domain = await makeDomain({ uploadsPerMinute: 60, uploadsPerMinutePerClient: 2 })
    now += 20_000
    const first = await put(domain)
    expect(first.headers.get('ratelimit-policy')).toBe('"uploads-per-client";q=2;w=60, "uploads";q=60;w=60')
    expect(first.headers.get('ratelimit')).toBe('"uploads-per-client";r=1;t=40, "uploads";r=59;t=40')
    // A refusal for another reason tells it as well.
    const wrong = await put(domain, { headers: { 'content-digest': 'nonsense' } })
    expectProblem(wrong, 400, 'digest-invalid')
    expect(wrong.headers.get('ratelimit')).toBe('"uploads-per-client";r=0;t=40, "uploads";r=58;t=40')
    const refused = await put(domain)
    expect(expectProblem(refused, 429, 'rate-limited')).toMatchObject({
      policy: 'uploads-per-client',
      limit: 2,
      windowSeconds: 60,
    })
    expect(refused.headers.get('retry-after')).toBe('41')
    expect(refused.headers.get('ratelimit')).toBe('"uploads-per-client";r=0;t=41')
    now += 41_000
    expectStatus(await put(domain), 202)
    now += 2 * windowMs - (now % windowMs)
  })

  test('counts requests and not files, and whatever is sent: forms, bodies, deletions', async () => {
    const domain = await makeDomain({ uploadsPerMinute: 3 })
    const { key } = await makeKey(domain, ['upload', 'read', 'delete'])
    const sent = await postForm(domain.origin, [file('a', 'a'), file('b', 'b')], { send, key })
    expectStatus(sent, 202)
    const [{ upload }] = sent.json.results
    const remove = () => call('DELETE', `${domain.origin}/v1/uploads/${upload.id}`, { key, send })
    expectStatus(await put(domain, { key }), 202)
    expectStatus(await remove(), 204)
    expectProblem(await remove(), 429, 'rate-limited')
    expectStatus(await list(domain, { key }), 200)
  })

  test('lets exactly the limit pass of a hundred at once', async () => {
    const domain = await makeDomain({ uploadsPerMinute: 40, uploadsPerMinutePerClient: 15 })
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) => put(domain, { headers: from(`192.0.2.${index % 4}`) })),
    )
    const passed = answers.filter(({ status }) => status === 202)
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(60)
    expect(passed).toHaveLength(40)
    expect(await holdings(domain)).toEqual(heldExactly(...passed.map(() => 3)))
  })
})

describe('a limit on what is read', () => {
  test('is another one than that on what is sent, and counts HEAD as well', async () => {
    const domain = await makeDomain({ readsPerMinute: 3, uploadsPerMinute: 1 })
    const { id } = (await put(domain)).json
    const url = `${domain.origin}/v1/uploads/${id}`
    expectStatus(await call('GET', url, { send }), 200)
    expectStatus(await call('GET', `${url}/status`, { send }), 200)
    expect((await call('HEAD', `${url}/content`, { send })).status).toBe(409)
    const refused = await call('GET', url, { send })
    expect(expectProblem(refused, 429, 'rate-limited')).toMatchObject({ policy: 'reads', limit: 3 })
    expect((await call('HEAD', url, { send })).status).toBe(429)
    expectProblem(await put(domain), 429, 'rate-limited')
  })
})

describe('clients', () => {
  test('are told apart by their keys, and without one by their address', async () => {
    const domain = await makeDomain({ uploadsPerMinutePerClient: 1 })
    const [one, two] = [await makeKey(domain, ['upload']), await makeKey(domain, ['upload'])]
    const asks: Call[] = [
      { key: one.key },
      { key: two.key },
      { headers: from('192.0.2.1') },
      { headers: from('192.0.2.2') },
      { headers: from('2001:db8:1:2::1') },
      { headers: from('2001:db8:1:3::1') },
      {},
    ]
    for (const ask of asks) expect(await statuses(2, () => put(domain, ask))).toEqual([202, 429])
    // The same network, written in other ways, and a key from another address.
    const same: Call[] = [
      { headers: from('2001:DB8:1:2:ffff:ffff:ffff:ffff') },
      { headers: from('2001:0db8:0001:0002::') },
      { headers: from('::ffff:192.0.2.1') },
      { headers: from('nonsense') },
      { key: one.key, headers: from('192.0.2.3') },
    ]
    for (const ask of same) expectProblem(await put(domain, ask), 429, 'rate-limited')
  })

  test('are counted for what they may do at all, and a token for the address that sends it', async () => {
    const domain = await makeDomain({ anonymousUpload: false, uploadsPerMinute: 2, uploadsPerMinutePerClient: 1 })
    const { key: reader } = await makeKey(domain, ['read', 'manage'])
    const [one, two, three] = [await makeToken(domain), await makeToken(domain), await makeToken(domain)]
    const first = await put(domain, { key: one, headers: from('192.0.2.1') })
    expectStatus(first, 202)
    for (const key of [reader, first.json.readToken]) expectProblem(await put(domain, { key }), 403, 'forbidden')
    // Another token is no other client, and what was forbidden above has used nothing up.
    expectProblem(await put(domain, { key: two, headers: from('192.0.2.1') }), 429, 'rate-limited')
    expectStatus(await put(domain, { key: two, headers: from('192.0.2.2') }), 202)
    const refused = await put(domain, { key: three, headers: from('192.0.2.3') })
    expect(expectProblem(refused, 429, 'rate-limited')).toMatchObject({ policy: 'uploads', limit: 2 })
  })

  test('share the limit of their domain, and nothing with another domain', async () => {
    const policy = { uploadsPerMinute: 3, uploadsPerMinutePerClient: 2 }
    const [domain, other] = [await makeDomain(policy), await makeDomain(policy)]
    const one = { headers: from('192.0.2.1') }
    const two = { headers: from('192.0.2.2') }
    expect(await statuses(3, () => put(domain, one))).toEqual([202, 202, 429])
    expect(await statuses(2, () => put(domain, two))).toEqual([202, 429])
    expect((await put(domain, two)).json).toMatchObject({ policy: 'uploads', limit: 3 })
    expect(await statuses(3, () => put(other, one))).toEqual([202, 202, 429])
  })

  test('that the domain turns away use up nothing', async () => {
    const domain = await makeDomain({
      anonymousUpload: false,
      publicRead: false,
      uploadsPerMinute: 1,
      readsPerMinute: 1,
    })
    const { key } = await makeKey(domain, ['upload', 'read'])
    const stranger = await makeKey(await makeDomain(), ['upload', 'read'])
    for (const ask of [{}, { key: stranger.key }, { key: 'nobody' }]) {
      expect(await statuses(2, () => put(domain, ask))).toEqual([401, 401])
      expect(await statuses(2, () => list(domain, ask))).toEqual([401, 401])
    }
    expect(await statuses(2, () => put(domain, { key }))).toEqual([202, 429])
    expect(await statuses(2, () => list(domain, { key }))).toEqual([200, 429])
  })

  test('do not include the administrator', async () => {
    const domain = await makeDomain({ readsPerMinute: 1 })
    const answer = await list(domain, { key: adminToken })
    expect(await statuses(3, () => list(domain, { key: adminToken }))).toEqual([200, 200, 200])
    expect(answer.headers.has('ratelimit')).toBe(false)
  })
})

describe('on the apex host', () => {
  const apex = 'http://localhost'

  test.each([
    ['query', (domain: TestDomain) => postForm(`${apex}?domain=${domain.slug}`, [file('a', 'abc')], { send })],
    [
      'header',
      (domain: TestDomain) => put({ ...domain, origin: apex }, { headers: { 'x-upload-domain': domain.slug } }),
    ],
    ['form', (domain: TestDomain) => postForm(apex, [field('domain', domain.slug), file('a', 'abc')], { send })],
  ])('a domain named by %s has its limits', async (_how, ask) => {
    const domain = await makeDomain({ uploadsPerMinute: 1 })
    expect((await ask(domain)).headers.get('ratelimit')).toMatch(/^"uploads";r=0;t=\d+$/)
    const refused = await ask(domain)
    expect(expectProblem(refused, 429, 'rate-limited')).toMatchObject({ limit: 1 })
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/)
    expect(await holdings(domain)).toEqual(heldExactly(3))
  })

  test('a form that names its own domain twice is counted once', async () => {
    const domain = await makeDomain({ uploadsPerMinute: 2 })
    const twice = [field('domain', domain.slug), field('domain', domain.slug), file('a', 'abc')]
    expect(await statuses(2, () => postForm(`${apex}?domain=${domain.slug}`, twice, { send }))).toEqual([202, 202])
  })
})

describe('a limiter in trouble', () => {
  const withLimiter = (take: RateLimiter['take']) => {
    const logged: unknown[] = []
    const troubled = appWith({
      deps: () => ({
        queue: new HeldQueue(),
        rateLimiter: { take },
        // Each request has a line of its own besides.
        log: (level, event, fields) => event !== 'request-done' && logged.push({ level, event, ...fields }),
      }),
    })
    return { troubled, logged }
  }

  test.each([
    ['fails', () => Promise.reject(new Error('no limiter'))],
    ['does not answer', () => new Promise<never>(() => {})],
  ])('that %s lets the request pass, and is logged', async (_how, take) => {
    const { troubled, logged } = withLimiter(take)
    const domain = await makeDomain({ uploadsPerMinute: 1 })
    const answer = await put(domain, { send: troubled })
    expectStatus(answer, 202)
    expect(answer.headers.has('ratelimit')).toBe(false)
    expect(logged).toEqual([{ level: 'error', event: 'limiter-failed', domainId: domain.id, error: expect.any(Error) }])
  })

  test('is not asked where there is no limit on this kind of request', async () => {
    const { troubled, logged } = withLimiter(() => Promise.reject(new Error('no limiter')))
    const domain = await makeDomain({ readsPerMinute: 1 })
    const answer = await put(domain, { send: troubled })
    expectStatus(answer, 202)
    expect(answer.headers.has('ratelimit')).toBe(false)
    expect(logged).toEqual([])
  })
})

describe('the counts of a domain', () => {
  const bucket: RateBucket = { policy: 'uploads', key: 'all', limit: 2 }

  test('survive the eviction of their object', async () => {
    const stub = env.RATE_LIMITS.getByName(randomUUID())
    await stub.take([bucket], now)
    await stub.take([bucket], now)
    await evictDurableObject(stub)
    expect((await stub.take([bucket], now)).refusedBy).toMatchObject({ bucket, remaining: 0 })
  })

  test('are forgotten when they no longer matter, and begin again at nothing', async () => {
    const stub = env.RATE_LIMITS.getByName(randomUUID())
    const longAgo = Date.now() - 3 * windowMs
    await stub.take([bucket], longAgo)
    const tables = () =>
      runInDurableObject(stub, (_object, { storage }) =>
        storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'counts'").toArray(),
      )
    expect(await tables()).toHaveLength(1)
    expect(await runDurableObjectAlarm(stub)).toBe(true)
    expect(await tables()).toHaveLength(0)
    // The object lives on without its table, and makes it again.
    expect((await stub.take([bucket], longAgo)).states).toMatchObject([{ remaining: 1 }])
    expect(await runDurableObjectAlarm(stub)).toBe(true)
  })

  test('stay as long as they matter', async () => {
    const stub = env.RATE_LIMITS.getByName(randomUUID())
    const lately = Date.now()
    await stub.take([bucket], lately)
    expect(await runDurableObjectAlarm(stub)).toBe(true)
    expect((await stub.take([bucket], lately)).states).toMatchObject([{ remaining: 0 }])
    // And it comes back to look again.
    expect(await runDurableObjectAlarm(stub)).toBe(true)
  })
})

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['2001:0DB8:0000:0000:1:2:3:4', '2001:db8:0:0::/64'],
  ['1:2:3:4:5:6:7:8', '1:2:3:4::/64'],
  ['::1', '0:0:0:0::/64'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  [' 192.0.2.7 ', '192.0.2.7'],
  ['', null],
  ['example.com', null],
  ['192.0.2', null],
  ['1::2::3', null],
  ['[::1]', null],
  [undefined, null],
])('the network of %s is %s', (address, network) => {
  expect(networkOf(address)).toBe(network)
})
