import { env } from 'cloudflare:workers'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Scope } from '../../src/core/access.ts'
import type { Domain } from '../../src/core/domain.ts'
import { TimedCache } from '../../src/core/timed-cache.ts'
import { DomainDirectory } from '../../src/services/domain-directory.ts'
import {
  adminToken,
  allRows,
  type Call,
  call,
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
  makeKey,
  nothingHeld,
  postForm,
  putFile,
  revokeKey,
  type TestDomain,
  upload,
  waitForStatus,
} from '../support/workers/client.ts'
import { appWith, depsWith, faultyD1, overriding } from '../support/workers/faults.ts'

vi.setConfig({ testTimeout: 30_000 })

const apex = 'http://localhost'
const asAdmin = { key: adminToken }

const newDomain = (body: unknown, options: Call = asAdmin) =>
  call('POST', `${apex}/v1/domains`, {
    ...options,
    headers: { 'content-type': 'application/json', ...options.headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })

describe('which domain a request is for', () => {
  let one: TestDomain
  let two: TestDomain
  let oneKey: string
  beforeAll(async () => {
    one = await makeDomain({}, ['files.one.example', 'cdn.one.example'])
    two = await makeDomain({}, ['files.two.example'])
    oneKey = (await makeKey(one, ['upload', 'read', 'delete'])).key
  })

  describe('conflicts', () => {
    const at = (domain: TestDomain, how: string): { to: string; headers?: Record<string, string> } =>
      ({
        slug: { to: domain.origin },
        hostname: { to: `http://files.${domain === one ? 'one' : 'two'}.example` },
        header: { to: apex, headers: { 'x-upload-domain': domain.slug } },
        query: { to: `${apex}?domain=${domain.slug}` },
      })[how] as { to: string }

    test.each(['slug', 'hostname', 'header', 'query'])('of %s with a header, a query, a field', async (how) => {
      const { to, headers = {} } = at(one, how)
      const send = (more: { headers?: Record<string, string>; query?: string; name?: string }) =>
        postForm(
          more.query ? `${to.replace(/\?.*/, '')}?domain=${more.query}` : to,
          [...(more.name ? [field('domain', more.name)] : []), file('a', 'abc')],
          { headers: { ...headers, ...more.headers } },
        )
      if (how !== 'header') {
        expectProblem(await send({ headers: { 'x-upload-domain': two.slug } }), 409, 'domain-conflict')
        expectProblem(await send({ headers: { 'x-upload-domain': 'files.two.example' } }), 409, 'domain-conflict')
      }
      if (how !== 'query') expectProblem(await send({ query: two.slug }), 409, 'domain-conflict')
      expect(expectProblem(await send({ name: two.slug }), 409, 'domain-conflict')).toMatchObject({
        field: two.slug,
        request: one.slug,
      })
      expect(await holdings(one)).toEqual(nothingHeld)
      expect(await holdings(two)).toEqual(nothingHeld)
    })

    test('of a key with a field, and with everything else', async () => {
      const parts = [file('a', 'abc')]
      expectProblem(
        await postForm(apex, [field('domain', two.slug), ...parts], { key: oneKey }),
        409,
        'domain-conflict',
      )
      // A key of another domain is answered like a key that nobody issued.
      for (const to of [two.origin, `${apex}?domain=${two.slug}`, 'http://files.two.example']) {
        expectProblem(await postForm(to, parts, { key: oneKey }), 401, 'credential-invalid')
      }
      expect(await holdings(one)).toEqual(nothingHeld)
      expect(await holdings(two)).toEqual(nothingHeld)
    })

    test('that come after files were stored leave nothing', async () => {
      const large = new Uint8Array(5 * 1024 * 1024 + 1)
      const parts = [file('a', 'abc'), file('b', large), field('domain', two.slug), file('c', 'def')]
      expectProblem(await postForm(one.origin, parts), 409, 'domain-conflict')
      expectProblem(
        await postForm(one.origin, [...parts.slice(0, 2), field('domain', 'no-such')]),
        404,
        'domain-not-found',
      )
      const fields = [field('domain', one.slug), ...parts]
      expectProblem(await postForm(apex, fields), 409, 'domain-conflict')
      expect(await holdings(one)).toEqual(nothingHeld)
      expect(await holdings(two)).toEqual(nothingHeld)
    })
  })

  describe('nobody says', () => {
    test('is 400 on the apex host', async () => {
      expectProblem(await postForm(apex, [file('a', 'abc')]), 400, 'domain-required')
      expectProblem(await postForm(apex, [file('a', 'abc')], asAdmin), 400, 'domain-required')
      expectProblem(await postForm(apex, [field('note', 'x')]), 400, 'domain-required')
      expectProblem(await putFile(apex, 'a', 'abc'), 400, 'domain-required')
      expectProblem(await call('GET', `${apex}/v1/uploads`, asAdmin), 400, 'domain-required')
      expectProblem(await call('GET', `${apex}/v1/uploads/${uuidv7()}`), 400, 'domain-required')
    })

    test('before the first file, or within 16 KiB of fields, is too late', async () => {
      const late = [file('a', 'abc'), field('domain', one.slug)]
      expectProblem(await postForm(apex, late), 400, 'domain-required')
      const filler = (bytes: number) => [field('filler', 'x'.repeat(bytes / 2)), field('filler', 'x'.repeat(bytes / 2))]
      const form = (bytes: number) => [...filler(bytes), field('domain', one.slug), file('a', 'abc')]
      expectProblem(await postForm(apex, form(16 * 1024 + 2)), 400, 'domain-required')
      expect(await holdings(one)).toEqual(nothingHeld)
      expectStatus(await postForm(apex, form(16 * 1024)), 202)
    })

    test('metadata counts among the leading fields', async () => {
      const metadata = field('metadata', JSON.stringify({ a: 'x'.repeat(2000) }))
      const form = [...Array(9).fill(metadata), field('domain', one.slug), file('a', 'abc')]
      expectProblem(await postForm(apex, form), 400, 'domain-required')
    })
  })

  describe('is unknown', () => {
    test.each([
      ['a slug', 'http://no-such.localhost', {}],
      ['a hostname', 'http://files.nobody.example', {}],
      ['two labels', 'http://a.b.localhost', {}],
      ['an IPv4 address', 'http://10.1.2.3', {}],
      ['an IPv6 address', 'http://[2001:db8::1]', {}],
      ['an underscore', 'http://a_b.example', {}],
      ['a query', `${apex}?domain=no-such`, {}],
      ['an empty query', `${apex}?domain=`, {}],
      ['an empty header', apex, { 'x-upload-domain': '' }],
      ['a blank header', apex, { 'x-upload-domain': ' ' }],
      ['a header with two names', apex, { 'x-upload-domain': 'domain-1, domain-2' }],
      ['a path', `${apex}?domain=../domain-1`, {}],
      ['a member of every object', `${apex}?domain=constructor`, {}],
      ['SQL', `${apex}?domain=' OR 1=1 --`, {}],
    ])('by %s', async (_name, to, headers) => {
      const answer = await postForm(to, [file('a', 'abc')], { headers: headers as Record<string, string> })
      expectProblem(answer, 404, 'domain-not-found')
    })

    test('by a field', async () => {
      for (const name of ['no-such', '', ' ', 'files.nobody.example', 'x'.repeat(10_000)]) {
        const answer = await postForm(apex, [field('domain', name), file('a', 'abc')])
        expect(expectProblem(answer, 404, 'domain-not-found').detail.length).toBeLessThan(200)
      }
    })

    test('even where a known one is named beside it', async () => {
      const headers = { 'x-upload-domain': 'no-such' }
      expectProblem(await postForm(one.origin, [file('a', 'abc')], { headers }), 404, 'domain-not-found')
      expectProblem(await postForm('http://no-such.localhost', [file('a', 'a')], asAdmin), 404, 'domain-not-found')
    })
  })

  test('is found by each source', async () => {
    const domain = await makeDomain({}, ['Files.Source.Example.', 'xn--bcher-kva.example:8443'])
    const { key } = await makeKey(domain, ['upload'])
    const { slug } = domain
    const ways: [string, Call?, string?][] = [
      [`http://${slug}.localhost`],
      [`http://${slug.toUpperCase()}.LOCALHOST`],
      [`http://${slug}.localhost.`],
      [`http://${slug}.localhost:8787`],
      ['http://files.source.example'],
      ['https://FILES.source.Example.:444'],
      ['http://xn--bcher-kva.example'],
      ['http://bücher.example'],
      [apex, { headers: { 'x-upload-domain': slug } }],
      [apex, { headers: { 'X-Upload-Domain': ` ${slug.toUpperCase()} ` } }],
      [apex, { headers: { 'x-upload-domain': 'files.source.example' } }],
      [`http://LOCALHOST.:99?domain=${slug}`],
      [`${apex}?domain=FILES.SOURCE.EXAMPLE.`],
      ['http://127.0.0.1:8787', { headers: { 'x-upload-domain': slug } }],
      [`http://[::1]:8787?domain=${slug}`],
      [apex, {}, slug],
      [apex, {}, ` Files.source.example\r\n`],
      [apex, { key }],
      // The same one twice is no conflict.
      [
        `http://${slug}.localhost?domain=${slug}`,
        { headers: { 'x-upload-domain': 'files.source.example' }, key },
        slug,
      ],
    ]
    for (const [to, options, name] of ways) {
      const parts = [field('note', 'x'), ...(name === undefined ? [] : [field('domain', name)]), file('a', 'abc')]
      const answer = await postForm(to, parts, options)
      expectStatus(answer, 202)
      expect(answer.json.results[0].upload.domain).toBe(slug)
    }
    expect(await holdings(domain)).toEqual(heldExactly(...ways.map(() => 3)))
  })

  test('is in the links of an answer, on the host that was asked', async () => {
    const domain = await makeDomain({}, ['links.example'])
    for (const [origin, query] of [
      [domain.origin, ''],
      ['https://links.example:8443', ''],
      [apex, `?domain=${domain.slug}`],
    ] as const) {
      const answer = await postForm(origin + query, [file('a', 'abc')])
      const { id, links } = answer.json.results[0].upload
      const self = `${origin}/v1/uploads/${id}`
      expect(links).toEqual({
        self: self + query,
        status: `${self}/status${query}`,
        content: `${self}/content${query}`,
      })
      expect(answer.headers.get('location')).toBe(links.self)
      expectStatus(await call('GET', links.status), 200)
      await waitForStatus(domain, id)
      expect((await call('GET', links.content)).text).toBe('abc')
    }
  })

  test('a new domain is found at once, although it was asked for before', async () => {
    const slug = 'late-comer'
    expectProblem(await putFile(`http://${slug}.localhost`, 'a', 'abc'), 404, 'domain-not-found')
    expectStatus(await newDomain({ slug, policy: { anonymousUpload: true } }), 201)
    expectStatus(await putFile(`http://${slug}.localhost`, 'a', 'abc'), 202)
  })

  test('what is known of a domain is asked again after 30 seconds', async () => {
    const domain = await makeDomain()
    const asked: string[] = []
    const DB = faultyD1(env.DB, (sql) => void asked.push(sql))
    let now = 0
    const cache = new TimedCache<Domain>(30_000)
    const send = appWith({
      env: { DB },
      deps: (deps) => ({ directory: new DomainDirectory({ ...deps, baseDomain: 'localhost', cache, now: () => now }) }),
    })
    const lookUps = async () => {
      asked.length = 0
      expectStatus(await call('GET', `${domain.origin}/v1/uploads`, { ...asAdmin, send }), 200)
      return asked.filter((sql) => sql.includes('from "domains"')).length
    }
    expect(await lookUps()).toBe(1)
    now = 29_999
    expect(await lookUps()).toBe(0)
    now = 30_000
    expect(await lookUps()).toBe(1)
  })
})

describe('making domains', () => {
  test.each([
    ['nothing', {}],
    ['no JSON', '{"slug":'],
    ['an array', []],
    ['an empty slug', { slug: '' }],
    ['capitals', { slug: 'Demo' }],
    ['a dot', { slug: 'a.b' }],
    ['an outer hyphen', { slug: '-a' }],
    ['too long a slug', { slug: 'a'.repeat(64) }],
    ['a number', { slug: 7 }],
    ['a reserved slug', { slug: 'www' }],
    ['an unknown field', { slug: 'fine', extra: 1 }],
    ['an unknown rule', { slug: 'fine', policy: { maxBytes: 1 } }],
    ['a negative limit', { slug: 'fine', policy: { maxFileBytes: -1 } }],
    ['a broken limit', { slug: 'fine', policy: { maxFileBytes: 1.5 } }],
    ['an unknown step', { slug: 'fine', policy: { steps: [{ step: 'explode' }] } }],
    ['a type that is none', { slug: 'fine', policy: { allowedTypes: ['*'] } }],
    ['a hostname that is none', { slug: 'fine', hostnames: ['a_b.example'] }],
    ['a hostname of one label', { slug: 'fine', hostnames: ['files'] }],
    ['an address', { slug: 'fine', hostnames: ['10.0.0.1'] }],
    ['the apex host', { slug: 'fine', hostnames: ['localhost'] }],
    ['a host under the apex host', { slug: 'fine', hostnames: ['other.localhost'] }],
  ])('with %s is 400', async (_name, body) => {
    const before = await allRows('SELECT id FROM domains')
    expectProblem(await newDomain(body), 400, 'request-invalid')
    expect(await allRows('SELECT id FROM domains')).toEqual(before)
  })

  test('takes JSON of a bounded size only', async () => {
    const form = await newDomain('slug=fine', {
      ...asAdmin,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    })
    expectProblem(form, 415, 'content-type-unsupported')
    expectProblem(await newDomain({ slug: 'fine', hostnames: ['x'.repeat(70_000)] }), 413, 'request-too-large')
  })

  test('names belong to one domain, whatever is tried at the same time', async () => {
    expectStatus(await newDomain({ slug: 'first', hostnames: ['first.example', 'FIRST.example.'] }), 201)
    expectProblem(await newDomain({ slug: 'first' }), 409, 'domain-exists')
    expectProblem(
      await newDomain({ slug: 'second', hostnames: ['new.example', 'First.Example'] }),
      409,
      'hostname-taken',
    )
    // Nothing of the refused one is there, neither its slug nor its other hostname.
    expectStatus(await newDomain({ slug: 'second', hostnames: ['new.example'] }), 201)
    const answers = await Promise.all(Array.from({ length: 8 }, () => newDomain({ slug: 'raced' })))
    expect(answers.map((answer) => answer.status).sort()).toEqual([201, ...Array(7).fill(409)])
    expect(await allRows("SELECT id FROM domains WHERE slug = 'raced'")).toHaveLength(1)
  })

  test.each(['before', 'after'] as const)('whose names are lost %s their effect can be tried again', async (moment) => {
    const slug = `lost-${moment}`
    const DB = faultyD1(env.DB, (sql) => (sql.startsWith('insert into "domains"') ? moment : undefined))
    const body = { slug, policy: { anonymousUpload: true } }
    expectProblem(await newDomain(body, { ...asAdmin, send: appWith({ env: { DB } }) }), 503, 'unavailable')
    const again = await newDomain(body)
    if (moment === 'before') expectStatus(again, 201)
    else expectProblem(again, 409, 'domain-exists')
    // Whichever it was: a name that is taken has a domain behind it.
    expectStatus(await putFile(`http://${slug}.localhost`, 'a', 'abc'), 202)
  })

  test('gives the whole policy back, closed unless it was opened', async () => {
    const answer = await newDomain({ slug: 'closed' })
    expectStatus(answer, 201)
    expect(answer.json).toMatchObject({
      slug: 'closed',
      hostnames: [],
      policy: {
        anonymousUpload: false,
        publicRead: false,
        readBeforeComplete: false,
        allowedTypes: ['*/*'],
        steps: [{ step: 'inspect' }],
      },
    })
    expectProblem(await putFile('http://closed.localhost', 'a', 'abc'), 401, 'credential-required')
  })

  test.each([
    ['nobody', {}, 401, 'credential-required'],
    ['a wrong token', { key: `${adminToken}x` }, 401, 'credential-invalid'],
    [
      'another scheme',
      { headers: { authorization: `Basic ${btoa(`admin:${adminToken}`)}` } },
      401,
      'credential-invalid',
    ],
    ['an empty token', { headers: { authorization: 'Bearer ' } }, 401, 'credential-invalid'],
  ])('is not for %s', async (_name, options, status, code) => {
    const answer = await newDomain({ slug: 'stranger' }, options)
    expectProblem(answer, status, code)
    expect(answer.headers.get('www-authenticate')).toBe('Bearer')
  })

  test('is not for keys, whatever their scopes', async () => {
    const domain = await makeDomain()
    const { key } = await makeKey(domain, ['upload', 'read', 'delete', 'manage'])
    expectProblem(await newDomain({ slug: 'stranger' }, { key }), 403, 'forbidden')
    expect(await allRows("SELECT id FROM domains WHERE slug = 'stranger'")).toEqual([])
  })

  test('nor are its keys for those that do not manage it', async () => {
    const domain = await makeDomain()
    const { id, key } = await makeKey(domain, ['upload', 'read', 'delete'])
    const keys = `${apex}/v1/domains/${domain.slug}/keys`
    const body = JSON.stringify({ scopes: ['manage'] })
    const headers = { 'content-type': 'application/json' }
    expectProblem(await call('POST', keys, { key, headers, body }), 403, 'forbidden')
    expectProblem(await call('DELETE', `${keys}/${id}`, { key }), 403, 'forbidden')
    expectProblem(await call('DELETE', `${keys}/${id}`), 401, 'credential-required')
  })
})

describe('keys', () => {
  let domain: TestDomain
  let other: TestDomain
  let complete: { id: string }
  beforeAll(async () => {
    domain = await makeDomain({ anonymousUpload: false, publicRead: false })
    other = await makeDomain({ anonymousUpload: false, publicRead: false })
    complete = await completeUpload(domain, 'abc', 'a', asAdmin)
  })

  /** Every call on uploads, and the scope that it needs. */
  const calls: [
    name: string,
    scope: Scope,
    isPublic: 'read' | 'upload' | null,
    (at: TestDomain, id: string, how: Call) => ReturnType<typeof call>,
  ][] = [
    ['POST', 'upload', 'upload', (at, _id, how) => postForm(at.origin, [file('a', 'abc')], how)],
    ['PUT', 'upload', 'upload', (at, _id, how) => putFile(at.origin, 'a', 'abc', how)],
    ['GET list', 'read', null, (at, _id, how) => call('GET', `${at.origin}/v1/uploads`, how)],
    ['GET', 'read', 'read', (at, id, how) => call('GET', `${at.origin}/v1/uploads/${id}`, how)],
    ['GET status', 'read', 'read', (at, id, how) => call('GET', `${at.origin}/v1/uploads/${id}/status`, how)],
    ['GET content', 'read', 'read', (at, id, how) => call('GET', `${at.origin}/v1/uploads/${id}/content`, how)],
    ['POST reprocess', 'upload', null, (at, id, how) => call('POST', `${at.origin}/v1/uploads/${id}/reprocess`, how)],
    ['DELETE', 'delete', null, (at, id, how) => call('DELETE', `${at.origin}/v1/uploads/${id}`, how)],
  ]

  test.each(calls)('%s needs its scope, and a key of this domain', async (_name, scope, _isPublic, send) => {
    const { id } = await completeUpload(domain, 'abc', 'a', asAdmin)
    expectProblem(await send(domain, id, {}), 401, 'credential-required')
    for (const wrong of ['stv_', `stv_${'a'.repeat(65)}`, 'x', adminToken.slice(1)]) {
      expectProblem(await send(domain, id, { key: wrong }), 401, 'credential-invalid')
    }
    const others = (['upload', 'read', 'delete', 'manage'] as const).filter((name) => name !== scope)
    const lacking = await makeKey(domain, others)
    expect(expectProblem(await send(domain, id, { key: lacking.key }), 403, 'forbidden')).toMatchObject({ scope })
    const foreign = await makeKey(other, [scope])
    expectProblem(await send(domain, id, { key: foreign.key }), 401, 'credential-invalid')
    const right = await makeKey(domain, [scope])
    expect((await send(domain, id, { key: right.key })).status).toBeLessThan(300)
  })

  test.each(calls)('%s of an open domain', async (_name, _scope, isPublic, send) => {
    const open = await makeDomain({ anonymousUpload: true, publicRead: true })
    const { id } = await completeUpload(open, 'abc')
    const answer = await send(open, id, {})
    if (isPublic === null) expectProblem(answer, 401, 'credential-required')
    else expect(answer.status).toBeLessThan(300)
    // A foreign key opens nothing, and closes nothing silently either.
    const foreign = await makeKey(other, ['upload', 'read', 'delete'])
    expectProblem(await send(open, id, { key: foreign.key }), 401, 'credential-invalid')
    const uploadOnly = await makeDomain({ anonymousUpload: true, publicRead: false })
    const readOnly = await makeDomain({ anonymousUpload: false, publicRead: true })
    expect((await send(uploadOnly, id, {})).status).toBe(isPublic === 'upload' ? 202 : 401)
    // Its own domain is not this one.
    expect((await send(readOnly, id, {})).status).toBe(isPublic === 'read' ? 404 : 401)
  })

  test.each(calls.filter(([name]) => !['POST', 'PUT', 'GET list'].includes(name)))(
    '%s answers 404 for an id of another domain, and for none',
    async (_name, _scope, _isPublic, send) => {
      const mine = await makeKey(other, ['upload', 'read', 'delete'])
      for (const key of [mine.key, adminToken]) {
        expectProblem(await send(other, complete.id, { key }), 404, 'upload-not-found')
        expectProblem(await send(other, uuidv7(), { key }), 404, 'upload-not-found')
        expectProblem(await send(other, 'x', { key }), 404, 'upload-not-found')
      }
      const owner = await call('GET', `${domain.origin}/v1/uploads/${complete.id}`, asAdmin)
      expect(owner.json).toMatchObject({ status: 'complete', generation: 1 })
    },
  )

  test('a list shows nothing of another domain', async () => {
    const answer = await call('GET', `${other.origin}/v1/uploads?limit=100`, asAdmin)
    expect(answer.json.uploads.map((found: { domain: string }) => found.domain)).toEqual(
      answer.json.uploads.map(() => other.slug),
    )
    const own = await call('GET', `${domain.origin}/v1/uploads?limit=100`, asAdmin)
    expect(own.json.uploads.map((found: { id: string }) => found.id)).toContain(complete.id)
  })

  test('an expired one is refused, at the moment it says', async () => {
    const past = await makeKey(domain, ['upload'], '2020-01-01T00:00:00Z')
    expectProblem(await putFile(domain.origin, 'a', 'abc', { key: past.key }), 401, 'credential-invalid')
    const expiresAt = new Date(Date.now() + 3600_000).toISOString()
    const soon = await makeKey(domain, ['upload'], expiresAt)
    expectStatus(await putFile(domain.origin, 'a', 'abc', { key: soon.key }), 202)
    const later = appWith({ deps: () => ({ now: () => Date.parse(expiresAt) }) })
    expectProblem(await putFile(domain.origin, 'a', 'abc', { key: soon.key, send: later }), 401, 'credential-invalid')
  })

  test('a revoked one is refused by the commit at once, although the isolate still knows it', async () => {
    const here = await makeDomain({ anonymousUpload: false })
    const { id, key } = await makeKey(here, ['upload', 'read'])
    await upload(here, 'abc', 'a', { key })
    // In another isolate, so that this one does not hear of it.
    await execute('UPDATE api_keys SET revoked_at = 1 WHERE id = ?', id)
    // The cache lets it pass for reading; what accepts is the commit.
    expectStatus(await call('GET', `${here.origin}/v1/uploads`, { key }), 200)
    expectProblem(await putFile(here.origin, 'a', 'abc', { key }), 401, 'credential-invalid')
    expectProblem(await postForm(here.origin, [file('a', 'a'), file('b', 'b')], { key }), 401, 'credential-invalid')
    const large = new Uint8Array(5 * 1024 * 1024 + 1)
    expectProblem(await putFile(here.origin, 'a', large, { key }), 401, 'credential-invalid')
    expect(await holdings(here)).toEqual(heldExactly(3))
    // A moment that lies behind the cache's memory, and the key is not known for anything.
    const later = appWith({ deps: () => ({ now: () => Date.now() + 31_000 }) })
    expectProblem(await call('GET', `${here.origin}/v1/uploads`, { key, send: later }), 401, 'credential-invalid')
  })

  test('revoking twice, or the key of another domain, is 404', async () => {
    const { id } = await makeKey(domain, ['read'])
    expectProblem(await revokeKey(other, id), 404, 'key-not-found')
    expectStatus(await revokeKey(domain, id), 204)
    expectProblem(await revokeKey(domain, id), 404, 'key-not-found')
    expectProblem(await revokeKey({ ...domain, slug: 'no-such' }, id), 404, 'domain-not-found')
    expectProblem(await revokeKey(domain, 'x'), 400, 'request-invalid')
  })

  test('is kept as a hash alone', async () => {
    const { id, key } = await makeKey(domain, ['read'])
    const [row] = await allRows('SELECT * FROM api_keys WHERE id = ?', id)
    expect(JSON.stringify(row)).not.toContain(key.slice(-43))
    expect(row).toMatchObject({ domain_id: domain.id, revoked_at: null, scopes: '["read"]' })
  })

  test.each([
    ['no scopes', { scopes: [] }],
    ['an unknown scope', { scopes: ['root'] }],
    ['a time that is none', { scopes: ['read'], expiresAt: 'tomorrow' }],
    ['an unknown field', { scopes: ['read'], admin: true }],
  ])('with %s can not be made', async (_name, body) => {
    const answer = await call('POST', `${apex}/v1/domains/${domain.slug}/keys`, {
      ...asAdmin,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    expectProblem(answer, 400, 'request-invalid')
  })
})

describe('a suspended domain', () => {
  test('takes no upload, and still reads', async () => {
    const domain = await makeDomain()
    const { id } = await completeUpload(domain, 'abc')
    await execute('UPDATE domain_accounts SET suspended_at = 1 WHERE domain_id = ?', domain.id)
    // The isolate does not know yet: the commit refuses.
    const large = new Uint8Array(5 * 1024 * 1024 + 1)
    expectProblem(await putFile(domain.origin, 'a', 'abc'), 403, 'domain-suspended')
    expectProblem(await putFile(domain.origin, 'a', large), 403, 'domain-suspended')
    expectProblem(await postForm(domain.origin, [file('a', 'abc')], asAdmin), 403, 'domain-suspended')
    expect(await holdings(domain)).toEqual(heldExactly(3))
    expect((await call('GET', `${domain.origin}/v1/uploads/${id}/content`)).text).toBe('abc')
  })

  test('is refused before the body is read, once that is known', async () => {
    const domain = await makeDomain()
    await execute('UPDATE domain_accounts SET suspended_at = 1 WHERE domain_id = ?', domain.id)
    // Nobody has asked for this domain in this isolate, so the first request finds it suspended.
    const put = () => Promise.reject(new Error('a byte was stored'))
    const send = appWith({ env: { BUCKET: overriding(env.BUCKET, { put }) } })
    expectProblem(await putFile(domain.origin, 'a', 'abc', { send, ...asAdmin }), 403, 'domain-suspended')
    expectProblem(await postForm(domain.origin, [file('a', 'abc')], { send }), 403, 'domain-suspended')
    expect(await holdings(domain)).toEqual(nothingHeld)
  })
})

describe('in production', () => {
  const production = (more: Record<string, unknown> = {}) => appWith({ env: { MODE: undefined, ...more } })

  test('nothing is open that the operator did not open', async () => {
    const send = production()
    const closed = await makeDomain({ anonymousUpload: false, publicRead: false })
    const { id } = await completeUpload(closed, 'abc', 'a', asAdmin)
    expectProblem(await putFile(closed.origin, 'a', 'abc', { send }), 401, 'credential-required')
    for (const rest of ['', '/status', '/content']) {
      expectProblem(await call('GET', `${closed.origin}/v1/uploads/${id}${rest}`, { send }), 401, 'credential-required')
    }
    expectProblem(await call('GET', `${closed.origin}/v1/uploads`, { send }), 401, 'credential-required')
    expectProblem(await newDomain({ slug: 'stranger' }, { send }), 401, 'credential-required')
    expectProblem(await newDomain({ slug: 'stranger' }, { send, key: 'dev-admin-token' }), 401, 'credential-invalid')
    expectProblem(await call('POST', `${apex}/internal/jobs`, { send, body: '{}' }), 404, 'route-not-found')
  })

  test("the developer's token is refused by the configuration", async () => {
    const send = production({ ADMIN_TOKEN: 'dev-admin-token' })
    for (const key of [undefined, 'dev-admin-token']) {
      expectProblem(await newDomain({ slug: 'stranger' }, { send, key }), 500, 'misconfigured')
    }
    expect(await allRows("SELECT id FROM domains WHERE slug = 'stranger'")).toEqual([])
  })

  test('without a token nobody is administrator', async () => {
    const send = production({ ADMIN_TOKEN: undefined })
    for (const key of [adminToken, 'undefined', 'dev-admin-token']) {
      expectProblem(await newDomain({ slug: 'stranger' }, { send, key }), 401, 'credential-invalid')
    }
  })

  test('a loopback address is no name of the deployment', async () => {
    const domain = await makeDomain()
    const options = { headers: { 'x-upload-domain': domain.slug } }
    for (const host of ['http://127.0.0.1:8787', 'http://[::1]:8787']) {
      const answer = await putFile(host, 'a', 'abc', { ...options, send: production() })
      expectProblem(answer, 404, 'domain-not-found')
    }
  })

  test.each([
    ['no bucket', { BUCKET: undefined }],
    ['no database', { DB: undefined }],
    ['no queue', { JOBS: undefined }],
    ['nothing to count in', { RATE_LIMITS: undefined }],
    ['nothing to watch with', { WATCHERS: undefined }],
    ['a Redis without its token', { UPSTASH_REDIS_REST_URL: 'https://redis.example' }],
    ['no base domain', { BASE_DOMAIN: undefined }],
    ['a base domain that is none', { BASE_DOMAIN: '10.0.0.1' }],
    ['a short administrator token', { ADMIN_TOKEN: 'short' }],
    ['an unknown mode', { MODE: 'debug' }],
    ['QStash without its keys', { QSTASH_TOKEN: 'x', CALLBACK_URL: 'https://files.example' }],
    ['QStash without an address', { QSTASH_TOKEN: 'x', QSTASH_CURRENT_SIGNING_KEY: 'a', QSTASH_NEXT_SIGNING_KEY: 'b' }],
    ['an address that is none', { CALLBACK_URL: 'files.example' }],
  ])('%s is told to the operator alone', async (_name, more) => {
    const problem = expectProblem(
      await call('GET', `${apex}/healthz`, { send: production(more) }),
      500,
      'misconfigured',
    )
    expect(Object.keys(problem).sort()).toEqual(['code', 'detail', 'requestId', 'status', 'title', 'type'])
    for (const name of Object.keys(more)) expect(JSON.stringify(problem)).not.toContain(name)
    expect(() => depsWith({ env: { MODE: undefined, ...more } })).toThrow(new RegExp(Object.keys(more).join('|')))
  })
})

afterAll(jobsDone, 120_000)
