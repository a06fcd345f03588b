import { afterAll, describe, expect, test, vi } from 'vitest'
import { judgeHostname } from '../../src/core/host.ts'
import { administer } from '../support/workers/administration.ts'
import {
  allRows,
  expectProblem,
  expectStatus,
  jobsDone,
  makeDomain,
  makeKey,
  putFile,
  type TestDomain,
} from '../support/workers/client.ts'

vi.setConfig({ testTimeout: 30_000 })
afterAll(jobsDone, 120_000)

describe('a domain may have the hostname', () => {
  const base = 'uploads.example.com'

  test.each([
    ['files.example.org', 'files.example.org'],
    ['Files.EXAMPLE.org.', 'files.example.org'],
    ['files.example.org:8443', 'files.example.org'],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
    ['a-b.c--d.example', 'a-b.c--d.example'],
    ['example.com', 'example.com'],
    ['notuploads.example.com', 'notuploads.example.com'],
    ['uploads.example.com.evil.example', 'uploads.example.com.evil.example'],
    [`${'a'.repeat(63)}.example`, `${'a'.repeat(63)}.example`],
  ])('%s', (text, hostname) => {
    expect(judgeHostname(text, base)).toEqual({ ok: true, hostname })
  })

  test.each([
    ['', /no hostname/],
    ['files', /no hostname/],
    ['localhost', /no hostname/],
    ['10.0.0.1', /no hostname/],
    ['0x7f.1', /no hostname/],
    ['[2001:db8::1]', /no hostname/],
    ['a_b.example', /no hostname/],
    ['*.example.org', /no hostname/],
    ['-a.example', /no hostname/],
    ['a..example', /no hostname/],
    ['a.example/x', /no hostname/],
    ['user@a.example', /no hostname/],
    ['a b.example', /no hostname/],
    ['a.example\u0000', /no hostname/],
    ['xn--.example', /no hostname/],
    ['xn--zzzzzz-.example', /no hostname/],
    [`${'a'.repeat(64)}.example`, /no hostname/],
    [`${'a.'.repeat(126)}ab`, /no hostname/],
    [base, /lies under/],
    [`UPLOADS.example.com.`, /lies under/],
    [`acme.${base}`, /lies under/],
    ['bücher.example', /xn--bcher-kva\.example/],
    ['ファイル.example', /xn--/],
    ['ｆiles.example', /files\.example/],
    ['files。example', /files\.example/],
    ['\u00ad', /no hostname/],
    ['\ud800.example', /no hostname|punycode/],
  ])('not %j', (text, reason) => {
    expect(judgeHostname(text, base)).toEqual({ ok: false, reason: expect.stringMatching(reason) })
  })
})

describe('hostnames', () => {
  const add = (domain: TestDomain, hostname: string, key?: string) =>
    administer(domain, 'POST', '/hostnames', { hostname }, key === undefined ? {} : { key })
  const shown = async (domain: TestDomain) =>
    (await administer(domain, 'GET')).json.hostnames.map(({ hostname, status }: Record<string, string>) => [
      hostname,
      status,
    ])

  test('of the administrator lead to the domain at once, a manager’s not before they are verified', async () => {
    const domain = await makeDomain({}, ['first.names.example'])
    const { key } = await makeKey(domain, ['manage'])
    expectStatus(await add(domain, 'Second.names.example.'), 201)
    expectStatus(await add(domain, 'third.names.example', key), 201)
    expect(await shown(domain)).toEqual([
      ['first.names.example', 'active'],
      ['second.names.example', 'active'],
      ['third.names.example', 'pending'],
    ])
    expectStatus(await putFile('http://second.names.example', 'a', 'abc'), 202)
    expectProblem(await putFile('http://third.names.example', 'a', 'abc'), 404, 'domain-not-found')
    expectStatus(await administer(domain, 'POST', '/hostnames/THIRD.names.example/verify'), 200)
    expectStatus(await putFile('http://third.names.example', 'a', 'abc'), 202)
    // Added again it stays as it is.
    expect((await add(domain, 'third.names.example', key)).json.status).toBe('active')
    // The isolate that took it away knows at once.
    expectStatus(await administer(domain, 'DELETE', '/hostnames/third.names.example', undefined, { key }), 204)
    expectProblem(await putFile('http://third.names.example', 'a', 'abc'), 404, 'domain-not-found')
    const again = await administer(domain, 'DELETE', '/hostnames/third.names.example')
    expectProblem(again, 404, 'hostname-not-found')
  })

  test('that nobody has proved block nobody', async () => {
    const squatter = await makeDomain()
    const owner = await makeDomain()
    const { key } = await makeKey(squatter, ['manage'])
    expectStatus(await add(squatter, 'wanted.example', key), 201)
    expectStatus(await add(owner, 'wanted.example'), 201)
    expectProblem(await administer(squatter, 'POST', '/hostnames/wanted.example/verify'), 409, 'hostname-taken')
    expectProblem(await add(squatter, 'wanted.example'), 409, 'hostname-taken')
    expect((await putFile('http://wanted.example', 'a', 'abc')).json.domain).toBe(owner.slug)
    expect(await shown(squatter)).toEqual([['wanted.example', 'pending']])
  })

  test('belong to the domain that has them, and to no other', async () => {
    const domain = await makeDomain({}, ['mine.example'])
    const other = await makeDomain()
    const { key } = await makeKey(other, ['manage'])
    for (const path of ['mine.example/verify', 'no-such.example/verify']) {
      const answer = await administer(other, 'POST', `/hostnames/${path}`, undefined, { key })
      expectProblem(answer, 404, 'hostname-not-found')
    }
    const removed = await administer(other, 'DELETE', '/hostnames/mine.example', undefined, { key })
    expectProblem(removed, 404, 'hostname-not-found')
    expect(await shown(domain)).toEqual([['mine.example', 'active']])
  })

  test('are fifty at most, whatever is tried at the same time', async () => {
    const domain = await makeDomain(
      {},
      Array.from({ length: 45 }, (_, index) => `n${index}.full.example`),
    )
    const { key } = await makeKey(domain, ['manage'])
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) => add(domain, `more-${index}.full.example`, key)),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array(5).fill(201), ...Array(5).fill(409)])
    const refused = answers.find(({ status }) => status === 409)!
    expect(expectProblem(refused, 409, 'limit-reached')).toMatchObject({ limit: 50 })
    expect(await allRows('SELECT hostname FROM hostnames WHERE domain_id = ?', domain.id)).toHaveLength(50)
    // What it has already is none more.
    expectStatus(await add(domain, 'n0.full.example', key), 201)
  })

  test.each(['files', '10.0.0.1', 'other.localhost', 'bücher.example', 'xn--.example'])(
    '%s is refused',
    async (text) => {
      const domain = await makeDomain()
      const { key } = await makeKey(domain, ['manage'])
      expectProblem(await add(domain, text, key), 400, 'request-invalid')
      expect(await shown(domain)).toEqual([])
    },
  )
})
