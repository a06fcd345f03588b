import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, test, vi } from 'vitest'
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
  nothingHeld,
  postForm,
  putFile,
  type TestDomain,
} from '../support/workers/client.ts'
import { appWith, faultyD1, HeldQueue } from '../support/workers/faults.ts'

vi.setConfig({ testTimeout: 30_000 })

const apex = 'http://localhost'
const page = 'https://app.example.com'
const elsewhere = 'https://elsewhere.example'
/** Nothing here is about processing. */
const send = appWith({ deps: () => ({ queue: new HeldQueue() }) })

let domain: TestDomain
let open: TestDomain
let closed: TestDomain
beforeAll(async () => {
  domain = await makeDomain({ allowedOrigins: [page, 'http://localhost:5173'] })
  open = await makeDomain({ allowedOrigins: ['*'] })
  closed = await makeDomain()
})

const withOrigin = (origin: string | null, { headers, ...options }: Call = {}): Call => ({
  send,
  ...options,
  headers: { ...headers, ...(origin === null ? {} : { origin }) },
})
const put = (to: string, origin: string | null, options?: Call) => putFile(to, 'a', 'abc', withOrigin(origin, options))

const preflight = (to: string, origin: string, path = '/v1/uploads/a', headers = 'authorization,content-type') =>
  call('OPTIONS', to + path, {
    send,
    headers: {
      origin,
      'access-control-request-method': 'PUT',
      'access-control-request-headers': headers,
    },
  })

const allowOrigin = ({ headers }: Answer) => headers.get('access-control-allow-origin')

/** Vary as a set, without doubles. */
function varies({ headers }: Answer): string[] {
  const names = (headers.get('vary') ?? '').split(',').map((name) => name.trim().toLowerCase())
  expect(new Set(names).size).toBe(names.length)
  return names
}

/** A page of this origin may read the answer, and what it exposes. */
function expectReadable(answer: Answer, by: string) {
  expect(allowOrigin(answer), answer.text).toBe(by)
  expect(varies(answer)).toContain('origin')
  expect(answer.headers.get('access-control-expose-headers')).toMatch(/\bLocation\b.*\bX-Request-Id\b/)
  expect(answer.headers.has('access-control-allow-credentials')).toBe(false)
}

function expectHidden(answer: Answer) {
  expect(allowOrigin(answer), answer.text).toBe(null)
  expect(varies(answer)).toContain('origin')
}

describe('a preflight on a domain’s own host', () => {
  test.each([page, 'http://localhost:5173'])('passes for the allowed origin %s', async (origin) => {
    const answer = await preflight(domain.origin, origin, '/v1/uploads/a', 'authorization, x-anything')
    expectStatus(answer, 204)
    expect(allowOrigin(answer)).toBe(origin)
    expect(answer.headers.get('access-control-allow-methods')?.split(',').sort()).toEqual([
      'DELETE',
      'GET',
      'HEAD',
      'OPTIONS',
      'PATCH',
      'POST',
      'PUT',
    ])
    expect(answer.headers.get('access-control-allow-headers')).toBe('authorization,x-anything')
    expect(answer.headers.get('access-control-max-age')).toBe('86400')
    expect(answer.headers.has('access-control-allow-credentials')).toBe(false)
    expect(varies(answer)).toEqual(['origin', 'access-control-request-headers'])
    expect(answer.headers.get('x-request-id')).toMatch(/./)
  })

  test.each([
    elsewhere,
    'null',
    `${page}:8443`,
    'http://app.example.com',
    'https://app.example.com.elsewhere.example',
    'https://APP.example.com',
    '',
  ])('is refused for %j', async (origin) => {
    const answer = await preflight(domain.origin, origin)
    expectProblem(answer, 403, 'origin-not-allowed')
    expectHidden(answer)
  })

  test('passes for every origin where the policy says so, and for one without a name', async () => {
    for (const origin of [page, elsewhere, 'null']) {
      const answer = await preflight(open.origin, origin)
      expectStatus(answer, 204)
      expect(allowOrigin(answer)).toBe('*')
    }
  })

  test('is 404 where there is no domain', async () => {
    const answer = await preflight('http://nobody.localhost', page)
    expectProblem(answer, 404, 'domain-not-found')
    expect(allowOrigin(answer)).toBe(null)
  })

  test('asks the database nothing while the domain is known', async () => {
    let asked = 0
    const DB = faultyD1(env.DB, () => {
      asked += 1
      return undefined
    })
    const watched = appWith({ env: { DB } })
    const ask = () =>
      call('OPTIONS', `${domain.origin}/v1/uploads`, {
        send: watched,
        headers: { origin: page, 'access-control-request-method': 'POST', authorization: 'Bearer stv_nobody' },
      })
    expectStatus(await ask(), 204)
    asked = 0
    expectStatus(await ask(), 204)
    expect(asked).toBe(0)
  })
})

describe('a preflight on the apex host', () => {
  test.each(['/v1/uploads', '/v1/uploads/a/content', '/v1/upload-tokens', '/v1/tus', '/v1/tus/x', '/v1/resumable'])(
    'passes for any page at %s, for a short time',
    async (path) => {
      const answer = await preflight(apex, elsewhere, path)
      expectStatus(answer, 204)
      expect(allowOrigin(answer)).toBe('*')
      expect(answer.headers.get('access-control-allow-headers')).toBe('authorization,content-type')
      expect(Number(answer.headers.get('access-control-max-age'))).toBeLessThanOrEqual(600)
      expect(answer.headers.has('access-control-allow-credentials')).toBe(false)
    },
  )

  test.each(['/v1/domains', '/v1/admin/dead-letters', '/healthz', '/internal/jobs'])(
    'does not pass at %s',
    async (path) => {
      const answer = await preflight(apex, page, path)
      expect(answer.status).toBeGreaterThanOrEqual(400)
      expect(allowOrigin(answer)).toBe(null)
    },
  )
})

test('OPTIONS that is no preflight is answered as before', async () => {
  const answer = await call('OPTIONS', `${domain.origin}/v1/upload-tokens`, withOrigin(page))
  expectProblem(answer, 405, 'method-not-allowed')
  expect(answer.headers.get('allow')).toContain('POST')
  expectReadable(answer, page)
})

describe('a request of a page on a domain’s own host', () => {
  test('is answered readably for an allowed origin', async () => {
    const answer = await put(domain.origin, page)
    expectStatus(answer, 202)
    expectReadable(answer, page)
    expectReadable(await call('GET', answer.json.links.self, withOrigin(page)), page)
    const every = await put(open.origin, 'null')
    expectStatus(every, 202)
    expectReadable(every, '*')
  })

  test.each([elsewhere, 'null', ''])('is refused for the origin %j, and stores nothing', async (origin) => {
    for (const to of [domain, closed]) {
      const before = await holdings(to)
      for (const answer of [
        await put(to.origin, origin),
        await postForm(to.origin, [file('a', 'abc')], withOrigin(origin)),
        await call('GET', `${to.origin}/v1/uploads/x`, withOrigin(origin)),
      ]) {
        expectProblem(answer, 403, 'origin-not-allowed')
        expectHidden(answer)
      }
      expect(await holdings(to)).toEqual(before)
    }
  })

  test('passes from a page of the host itself, and without an origin', async () => {
    const own = await makeDomain()
    for (const origin of [own.origin, null]) {
      const answer = await put(own.origin, origin)
      expectStatus(answer, 202)
      expectHidden(answer)
    }
    // Another port is another origin.
    expectProblem(await put(own.origin, `${own.origin}:8080`), 403, 'origin-not-allowed')
    expect(await holdings(own)).toEqual(heldExactly(3, 3))
  })

  test('can read what it is refused for', async () => {
    const limited = await makeDomain({
      allowedOrigins: [page],
      anonymousUpload: false,
      readsPerMinutePerClient: 1,
      maxFileBytes: 2,
    })
    const { key } = await makeKey(limited, ['upload', 'read'])
    const refusals: [number, string, () => Promise<Answer>][] = [
      [401, 'credential-required', () => put(limited.origin, page)],
      [401, 'credential-invalid', () => put(limited.origin, page, { key: 'nobody' })],
      [413, 'file-too-large', () => put(limited.origin, page, { key })],
      [404, 'upload-not-found', () => call('GET', `${limited.origin}/v1/uploads/x`, withOrigin(page, { key }))],
      [429, 'rate-limited', () => call('GET', `${limited.origin}/v1/uploads/x`, withOrigin(page, { key }))],
      [
        404,
        'route-not-found',
        () => call('GET', `${limited.origin}/v1/upload-tokens/x/y`, withOrigin(page, { key: adminToken })),
      ],
      [412, 'tus-version-unsupported', () => call('GET', `${limited.origin}/v1/tus/x`, withOrigin(page, { key }))],
      [405, 'method-not-allowed', () => call('PUT', `${limited.origin}/v1/uploads`, withOrigin(page, { key }))],
    ]
    for (const [status, code, ask] of refusals) {
      const answer = await ask()
      expectProblem(answer, status, code)
      expectReadable(answer, page)
    }
    const DB = faultyD1(env.DB, (sql) => (sql.includes('uploaded_files') ? 'before' : undefined))
    const broken = appWith({ env: { DB } })
    const failed = await call(
      'GET',
      `${limited.origin}/v1/uploads/x`,
      withOrigin(page, { key: adminToken, send: broken }),
    )
    expectProblem(failed, 503, 'unavailable')
    expectReadable(failed, page)
  })

  test('shows headers of content, of limits and of resumable uploads to it', async () => {
    const shown = await makeDomain({ allowedOrigins: [page], readBeforeComplete: true })
    const { id } = (await put(shown.origin, page)).json
    const content = await call(
      'GET',
      `${shown.origin}/v1/uploads/${id}/content`,
      withOrigin(page, { headers: { range: 'bytes=0-1' } }),
    )
    expectStatus(content, 206)
    expectReadable(content, page)
    const exposed = content.headers.get('access-control-expose-headers')?.split(', ')
    expect(exposed?.sort()).toEqual([
      'Accept-Patch',
      'Accept-Ranges',
      'Content-Disposition',
      'Content-Range',
      'ETag',
      'Location',
      'Preference-Applied',
      'RateLimit',
      'RateLimit-Policy',
      'Repr-Digest',
      'Retry-After',
      'Server-Timing',
      'Tus-Checksum-Algorithm',
      'Tus-Extension',
      'Tus-Max-Size',
      'Tus-Resumable',
      'Tus-Version',
      'Upload-Complete',
      'Upload-Concat',
      'Upload-Defer-Length',
      'Upload-Expires',
      'Upload-Incomplete',
      'Upload-Length',
      'Upload-Limit',
      'Upload-Metadata',
      'Upload-Offset',
      'X-Read-Token',
      'X-Request-Id',
    ])
    const etag = content.headers.get('etag') as string
    const unchanged = await call(
      'GET',
      `${shown.origin}/v1/uploads/${id}/content`,
      withOrigin(page, { headers: { 'if-none-match': etag } }),
    )
    expectStatus(unchanged, 304)
    expectReadable(unchanged, page)
  })
})

describe('a request of a page on the apex host', () => {
  const ways: [string, (to: TestDomain, origin: string) => Promise<Answer>][] = [
    ['query', (to, origin) => postForm(`${apex}?domain=${to.slug}`, [file('a', 'abc')], withOrigin(origin))],
    ['header', (to, origin) => put(apex, origin, { headers: { 'x-upload-domain': to.slug } })],
    ['form', (to, origin) => postForm(apex, [field('domain', to.slug), file('a', 'abc')], withOrigin(origin))],
    [
      'credential',
      async (to, origin) =>
        postForm(apex, [file('a', 'abc')], withOrigin(origin, { key: (await makeKey(to, ['upload'])).key })),
    ],
  ]

  test.each(ways)('is judged as soon as its domain is known by %s', async (_how, ask) => {
    const own = await makeDomain({ allowedOrigins: [page] })
    for (const origin of [elsewhere, 'null']) {
      const refused = await ask(own, origin)
      expectProblem(refused, 403, 'origin-not-allowed')
      expectHidden(refused)
    }
    expect(await holdings(own)).toEqual(nothingHeld)
    const answer = await ask(own, page)
    expectStatus(answer, 202)
    expectReadable(answer, page)
    expectStatus(await ask(own, apex), 202)
    expect(await holdings(own)).toEqual(heldExactly(3, 3))
  })

  test('can read a refusal that concerns no domain', async () => {
    const refusals: [number, string, () => Promise<Answer>][] = [
      [400, 'domain-required', () => postForm(apex, [file('a', 'abc')], withOrigin(elsewhere))],
      [404, 'domain-not-found', () => put(`${apex}`, elsewhere, { headers: { 'x-upload-domain': 'nobody' } })],
      [401, 'credential-invalid', () => put(apex, elsewhere, { key: 'nobody' })],
    ]
    for (const [status, code, ask] of refusals) {
      const answer = await ask()
      expectProblem(answer, status, code)
      expectReadable(answer, '*')
    }
  })

  test('is not readable where there is administration', async () => {
    const answer = await call('GET', `${apex}/v1/admin/dead-letters`, withOrigin(page, { key: adminToken }))
    expectStatus(answer, 200)
    expect(allowOrigin(answer)).toBe(null)
  })
})
