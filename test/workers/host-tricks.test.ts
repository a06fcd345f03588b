import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type Call,
  call,
  completeUpload,
  expectProblem,
  expectStatus,
  field,
  file,
  heldExactly,
  holdings,
  jobsDone,
  makeDomain,
  makeKey,
  nothingHeld,
  postForm,
  putFile,
  type TestDomain,
} from '../support/workers/client.ts'

/**
 * What a client may try with the names of domains, through everything that a URL and a header can say. What only a
 * socket can send is in test/e2e/host-tricks.test.ts.
 */

afterAll(jobsDone, 120_000)

let demo: TestDomain
let other: TestDomain
let demoKey: string
let fileOfDemo: string

beforeAll(async () => {
  demo = await makeDomain({}, ['files.demo.example', 'xn--bcher-kva.example'])
  other = await makeDomain({}, ['files.other.example'])
  demoKey = (await makeKey(demo, ['upload', 'read'])).key
  fileOfDemo = (await completeUpload(demo, 'abc')).id
})

const labels = (bytes: number, end: string) => {
  let host = end
  while (host.length < bytes) host = `${'a'.repeat(Math.min(63, bytes - host.length - 1))}.${host}`
  return host
}

describe('a host', () => {
  test.each([
    ['the slug', (slug: string) => `${slug}.localhost`],
    ['upper case', (slug: string) => `${slug.toUpperCase()}.LOCALHOST`],
    ['a port', (slug: string) => `${slug}.localhost:8443`],
    ['a trailing dot', (slug: string) => `${slug}.localhost.`],
    ['a trailing dot and a port', (slug: string) => `${slug}.localhost.:8443`],
    ['a hostname', () => 'files.demo.example'],
    ['a hostname in upper case, with dot and port', () => 'FILES.Demo.Example.:81'],
    ['an IDN in punycode', () => 'xn--bcher-kva.example'],
    ['an IDN, which the client writes as punycode', () => 'BÜCHER.example'],
  ])('is the domain’s own in another spelling: %s', async (_name, host) => {
    const answer = await putFile(`http://${host(demo.slug)}`, 'a', 'abc')
    expectStatus(answer, 202)
    expect(answer.json.domain).toBe(demo.slug)
  })

  test.each([
    ['two trailing dots', (slug: string) => `${slug}.localhost..`],
    ['three trailing dots', (slug: string) => `${slug}.localhost...`],
    ['a leading dot', (slug: string) => `.${slug}.localhost`],
    ['an empty label', (slug: string) => `${slug}..localhost`],
    ['a label before the slug', (slug: string) => `${slug}.${slug}.localhost`],
    ['the slug under a stranger’s domain', (slug: string) => `${slug}.evil.com`],
    ['the whole host under a stranger’s domain', (slug: string) => `${slug}.localhost.evil.com`],
    ['a hostname under a stranger’s domain', () => 'files.demo.example.evil.com'],
    ['a label before a hostname', () => 'x.files.demo.example'],
    ['the rest of a hostname', () => 'demo.example'],
    ['the base domain as an end without its dot', (slug: string) => `${slug}localhost`],
    ['a stranger', () => 'evil.com'],
    ['an IPv4 address', () => '192.0.2.1'],
    ['an IPv4 address in one number', () => '3221225985'],
    ['an IPv4 address in hexadecimal', () => '0xc0000201'],
    ['an IPv4 address in octal', () => '0300.0.2.1'],
    ['an IPv4 address in two numbers', () => '192.513'],
    ['an IPv6 address', () => '[2001:db8::1]'],
    ['an IPv4 address in an IPv6 address', () => '[::ffff:127.0.0.1]'],
    ['the unspecified address', () => '0.0.0.0'],
    ['a label of 64 characters', () => `${'a'.repeat(64)}.localhost`],
    ['a label of 63 characters', () => `${'a'.repeat(63)}.localhost`],
    ['253 characters', () => labels(253, 'files.demo.example')],
    ['254 characters', () => labels(254, 'files.demo.example')],
    ['an underscore', (slug: string) => `${slug.replace('-', '_')}.localhost`],
    ['an underscore at the start', (slug: string) => `_${slug}.localhost`],
    ['a hyphen at the start', (slug: string) => `-${slug}.localhost`],
    ['a hyphen at the end', (slug: string) => `${slug}-.localhost`],
    ['a Cyrillic letter in the slug', (slug: string) => `${slug.replace('o', 'о')}.localhost`],
    ['a Cyrillic letter in a hostname', () => 'files.dеmo.example'],
    ['a Cyrillic letter in the base domain', (slug: string) => `${slug}.locаlhost`],
    ['a Turkish dotless i', (slug: string) => `${slug.replace('i', 'ı')}.localhost`],
    ['an accent', (slug: string) => `${slug.replace('o', 'ó')}.localhost`],
  ])('is nobody’s: %s', async (_name, host) => {
    const to = `http://${host(demo.slug)}`
    expectProblem(await putFile(to, 'a', 'abc'), 404, 'domain-not-found')
    expectProblem(await call('GET', `${to}/v1/uploads/${fileOfDemo}`), 404, 'domain-not-found')
    // Nor does naming a domain beside it help.
    const headers = { 'x-upload-domain': demo.slug }
    expectProblem(await putFile(to, 'a', 'abc', { headers, key: demoKey }), 404, 'domain-not-found')
  })

  test('of another domain shows nothing of this one', async () => {
    expectProblem(await call('GET', `${other.origin}/v1/uploads/${fileOfDemo}`), 404, 'upload-not-found')
    expectProblem(await call('GET', `${other.origin}/v1/uploads/${fileOfDemo}/content`), 404, 'upload-not-found')
    expectProblem(
      await call('GET', `${other.origin}/v1/uploads/${fileOfDemo}?domain=${demo.slug}`),
      409,
      'domain-conflict',
    )
  })
})

test.each([
  ['x-forwarded-host', (slug: string) => `${slug}.localhost`],
  ['x-forwarded-server', (slug: string) => `${slug}.localhost`],
  ['x-original-host', (slug: string) => `${slug}.localhost`],
  ['x-host', (slug: string) => `${slug}.localhost`],
  ['x-original-url', () => 'http://files.demo.example/v1/uploads/a'],
  ['x-rewrite-url', () => '/healthz'],
  ['forwarded', (slug: string) => `for=192.0.2.1;host=${slug}.localhost;proto=https`],
])('%s is ignored', async (name, value) => {
  const headers = { [name]: value(demo.slug) }
  expectProblem(await putFile('http://localhost', 'a', 'abc', { headers }), 400, 'domain-required')
  expectProblem(await putFile('http://evil.com', 'a', 'abc', { headers }), 404, 'domain-not-found')
  const answer = await putFile(other.origin, 'a', 'abc', { headers })
  expectStatus(answer, 202)
  expect(answer.json.domain).toBe(other.slug)
  expect(answer.headers.get('location')).toBe(`${other.origin}/v1/uploads/${answer.json.id}`)
})

describe('names that a request gives', () => {
  const apex = 'http://localhost'
  const twice = (first: string, second: string): Headers => {
    const headers = new Headers()
    headers.append('x-upload-domain', first)
    headers.append('x-upload-domain', second)
    return headers
  }

  test('in X-Upload-Domain twice are no name, even when they agree', async () => {
    for (const second of [demo.slug, other.slug]) {
      const headers = Object.fromEntries(twice(demo.slug, second))
      expect(headers['x-upload-domain']).toBe(`${demo.slug}, ${second}`)
      expectProblem(await putFile(apex, 'a', 'abc', { headers }), 404, 'domain-not-found')
      expectProblem(await putFile(demo.origin, 'a', 'abc', { headers }), 404, 'domain-not-found')
    }
  })

  test('in the query twice must agree', async () => {
    const query = (one: string, two: string) => postForm(`${apex}?domain=${one}&domain=${two}`, [file('a', 'abc')])
    expectStatus(await query(demo.slug, 'FILES.demo.example.'), 202)
    expectProblem(await query(demo.slug, other.slug), 409, 'domain-conflict')
    expectProblem(await query(demo.slug, ''), 404, 'domain-not-found')
    expectProblem(await query('evil.com', demo.slug), 404, 'domain-not-found')
  })

  const others = () => other.slug
  const disagreeing: [string, () => string, () => Call, (() => string) | null, number, string][] = [
    [
      'host and header',
      () => demo.origin,
      () => ({ headers: { 'x-upload-domain': other.slug } }),
      null,
      409,
      'domain-conflict',
    ],
    ['host and query', () => `${demo.origin}?domain=${other.slug}`, () => ({}), null, 409, 'domain-conflict'],
    ['host and field', () => demo.origin, () => ({}), others, 409, 'domain-conflict'],
    [
      'hostname and query',
      () => 'http://files.demo.example?domain=files.other.example',
      () => ({}),
      null,
      409,
      'domain-conflict',
    ],
    [
      'header and query',
      () => `${apex}?domain=${other.slug}`,
      () => ({ headers: { 'x-upload-domain': demo.slug } }),
      null,
      409,
      'domain-conflict',
    ],
    [
      'header and field',
      () => apex,
      () => ({ headers: { 'x-upload-domain': demo.slug } }),
      others,
      409,
      'domain-conflict',
    ],
    ['query and field', () => `${apex}?domain=${demo.slug}`, () => ({}), others, 409, 'domain-conflict'],
    ['key and field', () => apex, () => ({ key: demoKey }), others, 409, 'domain-conflict'],
    ['key and host', () => other.origin, () => ({ key: demoKey }), null, 401, 'credential-invalid'],
    ['key and query', () => `${apex}?domain=${other.slug}`, () => ({ key: demoKey }), null, 401, 'credential-invalid'],
    [
      'key and header',
      () => apex,
      () => ({ key: demoKey, headers: { 'x-upload-domain': other.slug } }),
      null,
      401,
      'credential-invalid',
    ],
  ]
  test.each(disagreeing)('%s that disagree are refused', async (_name, to, options, named, status, code) => {
    const before = [await holdings(demo), await holdings(other)]
    const parts = [...(named ? [field('domain', named())] : []), file('a', 'abc')]
    expectProblem(await postForm(to(), parts, options()), status, code)
    expect([await holdings(demo), await holdings(other)]).toEqual(before)
  })

  test.each([
    ['a path', (slug: string) => `../${slug}`],
    ['a URL', (slug: string) => `http://${slug}.localhost/`],
    ['a user name', (slug: string) => `evil.com@${slug}.localhost`],
    ['a port that is none', (slug: string) => `${slug}.localhost:99999`],
    ['a fragment', (slug: string) => `${slug}#`],
    ['two trailing dots', (slug: string) => `${slug}.localhost..`],
    ['a percent sign', (slug: string) => `${slug}%2elocalhost`],
    ['a comma', (slug: string) => `${slug},`],
    ['the apex host', () => 'localhost'],
    ['an IPv4 address', () => '127.0.0.1'],
    ['10,000 characters', (slug: string) => slug.padEnd(10_000, 'a')],
    ['a full-width letter', (slug: string) => slug.replace('d', 'ｄ')],
    ['a soft hyphen', (slug: string) => `${slug}\u00ad`],
    ['a zero-width space', (slug: string) => `${slug}\u200b`],
    ['a line break', (slug: string) => `${slug}\r\nX-Upload-Domain: ${slug}`],
    ['NUL', (slug: string) => `${slug}\0`],
  ])('are taken as they are and never mended: %s', async (_name, text) => {
    const before = await holdings(demo)
    const name = text(demo.slug)
    const byQuery = await postForm(`${apex}?domain=${encodeURIComponent(name)}`, [file('a', 'abc')])
    expectProblem(byQuery, 404, 'domain-not-found')
    const byField = await postForm(apex, [field('domain', name), file('a', 'abc')])
    expectProblem(byField, 404, 'domain-not-found')
    // A header can hold no line break, and no more than ASCII without a warning.
    if (/^[\x20-\x7e]*$/.test(name)) {
      expectProblem(await putFile(apex, 'a', 'abc', { headers: { 'x-upload-domain': name } }), 404, 'domain-not-found')
    }
    expect(await holdings(demo)).toEqual(before)
  })

  test('are held against the host before anything is stored', async () => {
    const fresh = await makeDomain()
    const { key } = await makeKey(fresh, ['upload'])
    const parts = [file('a', 'abc'), field('domain', other.slug)]
    expectProblem(await postForm(apex, parts, { key }), 409, 'domain-conflict')
    expect(await holdings(fresh)).toEqual(nothingHeld)
    expectStatus(await postForm(apex, [file('a', 'abc'), field('domain', fresh.slug)], { key }), 202)
    expect(await holdings(fresh)).toEqual(heldExactly(3))
  })
})
