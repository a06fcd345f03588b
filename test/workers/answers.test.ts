import { env } from 'cloudflare:workers'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { fileStatuses } from '../../src/core/status.ts'
import { noise, sha256 } from '../support/e2e/bodies.ts'
import { eventually } from '../support/e2e/eventually.ts'
import {
  type Answer,
  adminToken,
  type Call,
  call,
  completeUpload,
  execute,
  expectProblem,
  expectStatus,
  file,
  holdings,
  jobsDone,
  makeDomain,
  nothingHeld,
  postForm,
  putFile,
  rowOf,
  type TestDomain,
  upload,
  waitForStatus,
} from '../support/workers/client.ts'
import { appWith, HeldQueue } from '../support/workers/faults.ts'
import * as samples from '../support/workers/samples.ts'

vi.setConfig({ testTimeout: 30_000 })
afterAll(jobsDone, 120_000)

const asAdmin = { key: adminToken }

/** Text of more than one part, in UTF-8 and with a single byte at its end that is not. */
const largeText = Buffer.from('A long text, für später.\n'.repeat(200_000))
const largeLatinText = Buffer.concat([largeText, Buffer.of(0xfc)])

describe('content', () => {
  const bytes = noise(1000)
  let domain: TestDomain
  let url: string
  let etag: string
  const get = (headers: Record<string, string> = {}, options: Call = {}) => call('GET', url, { ...options, headers })

  beforeAll(async () => {
    domain = await makeDomain()
    const { id } = await completeUpload(domain, bytes, 'noise.bin')
    url = `${domain.origin}/v1/uploads/${id}/content`
    etag = `"${sha256(bytes)}"`
  })

  describe('is not served', () => {
    test('before it is complete', async () => {
      const send = appWith({ deps: () => ({ queue: new HeldQueue() }) })
      const { id } = await upload(domain, 'abc', 'a', { send })
      const content = `${domain.origin}/v1/uploads/${id}/content`
      for (const status of fileStatuses.filter((name) => name !== 'complete' && name !== 'deleted')) {
        await execute('UPDATE uploaded_files SET status = ? WHERE id = ?', status, id)
        expect(expectProblem(await call('GET', content), 409, 'not-ready')).toMatchObject({ uploadStatus: status })
        expect((await call('HEAD', content)).status).toBe(409)
      }
      await execute("UPDATE uploaded_files SET status = 'failed' WHERE id = ?", id)
    })

    test('before it is complete, unless the policy says so, and never of what failed', async () => {
      const open = await makeDomain({ readBeforeComplete: true })
      const send = appWith({ deps: () => ({ queue: new HeldQueue() }) })
      const { id } = await upload(open, 'abc', 'a', { send })
      for (const [status, code] of [
        ['pending', 200],
        ['processing', 200],
        ['uploading', 409],
        ['failed', 409],
        ['quarantined', 409],
      ] as const) {
        await execute('UPDATE uploaded_files SET status = ? WHERE id = ?', status, id)
        expect((await call('GET', `${open.origin}/v1/uploads/${id}/content`)).status).toBe(code)
      }
    })

    test.each([
      ['another If-Match', { 'if-match': '"other"' }],
      ['a weak If-Match', { 'if-match': 'W/TAG' }],
    ])('to a request with %s', async (_name, headers) => {
      const value = headers['if-match'].replace('TAG', etag)
      expectProblem(await get({ 'if-match': value }), 412, 'precondition-failed')
    })

    test.each(['bytes=1000-', 'bytes=1000-2000', 'bytes=-0', 'bytes=5000-6000'])(
      'beyond its end: %s',
      async (range) => {
        const answer = await get({ range })
        expect(expectProblem(answer, 416, 'range-not-satisfiable')).toMatchObject({ size: 1000 })
        expect(answer.headers.get('content-range')).toBe('bytes */1000')
        expect(answer.headers.get('etag')).toBeNull()
      },
    )

    test('when its object is lost', async () => {
      const { id } = await completeUpload(domain, 'abc')
      await env.BUCKET.delete(`${id}/${domain.id}`)
      expectProblem(await call('GET', `${domain.origin}/v1/uploads/${id}/content`), 404, 'upload-not-found')
    })
  })

  test('is served whole, with its digest and headers that let it do no harm', async () => {
    const answer = await get()
    expectStatus(answer, 200)
    expect(Buffer.from(answer.bytes).equals(bytes)).toBe(true)
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-length': '1000',
      'content-disposition': 'attachment; filename=noise.bin',
      'content-security-policy': expect.stringContaining('sandbox'),
      'x-content-type-options': 'nosniff',
      'accept-ranges': 'bytes',
      etag,
      'repr-digest': `sha-256=:${Buffer.from(sha256(bytes), 'hex').toString('base64')}:`,
      'cache-control': expect.stringMatching(/^public, no-cache/),
      'cross-origin-resource-policy': 'cross-origin',
    })
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'")
  })

  test('of a private domain is for nobody else', async () => {
    const closed = await makeDomain({ publicRead: false })
    const { id } = await completeUpload(closed, 'abc')
    const answer = await call('GET', `${closed.origin}/v1/uploads/${id}/content`, asAdmin)
    expect(answer.headers.get('cache-control')).toMatch(/^private/)
    expect(answer.headers.get('cross-origin-resource-policy')).toBe('same-site')
  })

  test.each([
    ['SVG', samples.svg, 'image/svg+xml', 'attachment', 'image/svg+xml'],
    ['HTML', samples.html, 'text/html', 'attachment', 'text/html'],
    ['XML', samples.xml, 'application/xml', 'attachment', 'application/xml'],
    ['PDF', samples.pdf, 'application/pdf', 'attachment', 'application/pdf'],
    ['JSON', samples.json, 'application/json', 'attachment', 'application/json'],
    ['PNG', samples.png(2, 2), 'image/png', 'inline', 'image/png'],
    ['MP4', samples.mp4, 'video/mp4', 'inline', 'video/mp4'],
    ['text', samples.text, 'text/plain', 'inline', 'text/plain; charset=utf-8'],
    ['HTML that says it is text', samples.html, 'text/plain', 'inline', 'text/plain; charset=utf-8'],
    ['nothing, as text', '', 'text/plain', 'inline', 'text/plain; charset=utf-8'],
    ['text in windows-1252', samples.windows1252, 'text/plain', 'inline', 'text/plain'],
    ['text in UTF-16', Buffer.from('\ufeffGrüße', 'utf16le'), 'text/plain', 'inline', 'text/plain'],
    ['text whose last letter is cut', samples.text.subarray(0, -4), 'text/plain', 'inline', 'text/plain'],
    ['a large text in UTF-8', largeText, 'text/plain', 'inline', 'text/plain; charset=utf-8'],
    ['a large text in windows-1252', largeLatinText, 'text/plain', 'inline', 'text/plain'],
  ])('of the type %s is shown or saved', async (_name, content, declared, disposition, type) => {
    const { id } = await completeUpload(domain, content, 'file.x', { headers: { 'content-type': declared } })
    const { headers } = await call('GET', `${domain.origin}/v1/uploads/${id}/content`)
    expect(headers.get('content-disposition')).toBe(`${disposition}; filename=file.x`)
    expect(headers.get('content-type')).toBe(type)
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('content-security-policy')).toContain('sandbox')
  })

  test.each([
    ['bytes=0-0', 0, 0],
    ['bytes=0-99', 0, 99],
    ['bytes=999-', 999, 999],
    ['bytes=500-', 500, 999],
    ['bytes=500-99999', 500, 999],
    ['bytes=-1', 999, 999],
    ['bytes=-100', 900, 999],
    ['bytes=-99999', 0, 999],
    ['bytes=0-', 0, 999],
  ])('in a range: %s', async (range, first, last) => {
    const answer = await get({ range })
    expectStatus(answer, 206)
    expect(answer.headers.get('content-range')).toBe(`bytes ${first}-${last}/1000`)
    expect(answer.headers.get('content-length')).toBe(String(last - first + 1))
    expect(answer.headers.get('etag')).toBe(etag)
    expect(Buffer.from(answer.bytes).equals(bytes.subarray(first, last + 1))).toBe(true)
  })

  test.each(['bytes=0-1,3-4', 'bytes=9-8', 'items=0-1', 'bytes=', 'bytes=a-b', 'nonsense'])(
    'whole for a range that is none here: %s',
    async (range) => {
      const answer = await get({ range })
      expectStatus(answer, 200)
      expect(answer.bytes).toHaveLength(1000)
      expect(answer.headers.get('content-range')).toBeNull()
    },
  )

  test('in a range only while it is what the client has begun to fetch', async () => {
    const range = 'bytes=1-2'
    expect((await get({ range, 'if-range': etag })).status).toBe(206)
    expect((await get({ range, 'if-range': '"other"' })).status).toBe(200)
    expect((await get({ range, 'if-range': `W/${etag}` })).status).toBe(200)
    expect((await get({ range, 'if-range': new Date().toUTCString() })).status).toBe(200)
    expect((await get({ range: 'bytes=5000-', 'if-range': '"other"' })).status).toBe(200)
  })

  test('not again to who has it already', async () => {
    for (const tags of [etag, `W/${etag}`, '*', `"other", ${etag}`]) {
      const answer = await get({ 'if-none-match': tags })
      expect(answer.status).toBe(304)
      expect(answer.bytes).toHaveLength(0)
      expect(answer.headers.get('etag')).toBe(etag)
    }
    expect((await get({ 'if-none-match': '"other"' })).status).toBe(200)
    // Neither does a range make it new, nor a precondition that holds.
    expect((await get({ 'if-none-match': etag, range: 'bytes=0-1' })).status).toBe(304)
    expect((await get({ 'if-match': etag, 'if-none-match': etag })).status).toBe(304)
    for (const tags of [etag, '*', `"other",${etag}`]) expect((await get({ 'if-match': tags })).status).toBe(200)
  })

  test('HEAD tells the same and sends nothing', async () => {
    const [head, whole] = [await call('HEAD', url), await get()]
    expectStatus(head, 200)
    expect(head.bytes).toHaveLength(0)
    const without = (answer: Answer) =>
      Object.fromEntries([...answer.headers].filter(([name]) => !['x-request-id', 'server-timing'].includes(name)))
    expect(without(head)).toEqual(without(whole))
    expect((await call('HEAD', url, { headers: { 'if-none-match': etag } })).status).toBe(304)
    expect((await call('HEAD', `${domain.origin}/v1/uploads/x/content`)).status).toBe(404)
  })

  test('of no bytes at all', async () => {
    const { id } = await completeUpload(domain, '')
    const content = `${domain.origin}/v1/uploads/${id}/content`
    const answer = await call('GET', content)
    expectStatus(answer, 200)
    expect(answer.headers.get('content-length')).toBe('0')
    expectProblem(await call('GET', content, { headers: { range: 'bytes=0-' } }), 416, 'range-not-satisfiable')
    expectProblem(await call('GET', content, { headers: { range: 'bytes=-5' } }), 416, 'range-not-satisfiable')
  })
})

describe('a list', () => {
  let domain: TestDomain
  let ids: string[]
  const list = (query = '', options: Call = asAdmin) => call('GET', `${domain.origin}/v1/uploads${query}`, options)
  const idsOf = (answer: Answer): string[] => {
    expectStatus(answer, 200)
    return answer.json.uploads.map((found: { id: string }) => found.id)
  }

  beforeAll(async () => {
    domain = await makeDomain()
    const files = [
      ...Array.from({ length: 5 }, (_, index) => file(`${index}.txt`, `file ${index}`, 'text/plain')),
      file('a.png', samples.png(1, 1), 'image/png'),
      file('b.jpg', samples.jpeg, 'image/jpeg'),
    ]
    const made = await postForm(domain.origin, files)
    ids = made.json.results.map(({ upload }: { upload: { id: string } }) => upload.id).reverse()
    await Promise.all(ids.map((id) => waitForStatus(domain, id)))
  })

  test.each([
    'limit=0',
    'limit=101',
    'limit=-1',
    'limit=1.5',
    'limit=many',
    'status=done',
    'status=',
    'created_after=yesterday',
    'created_before=2026-13-01T00:00:00Z',
    'created_after=2026-01-01',
    'cursor=nonsense',
    'cursor=%25%25%25',
    `cursor=${btoa("' OR 1=1 --")}`,
    `type=${'x'.repeat(201)}`,
  ])('that asks for nonsense is refused: %s', async (query) => {
    expectProblem(await list(`?${query}`), 400, 'request-invalid')
  })

  test('holds every upload, the newest first', async () => {
    const answer = await list()
    expect(idsOf(answer)).toEqual(ids)
    expect(answer.json.nextCursor).toBeNull()
    expect(answer.json.uploads[0]).toMatchObject({ filename: 'b.jpg', status: 'complete', domain: domain.slug })
  })

  test.each([1, 2, 3, 6, 7, 8])('comes in pages of %i, each file once', async (limit) => {
    const found: string[] = []
    let query = `?limit=${limit}`
    for (;;) {
      const answer = await list(query)
      const page = idsOf(answer)
      expect(page.length).toBeLessThanOrEqual(limit)
      found.push(...page)
      if (answer.json.nextCursor === null) break
      expect(page).toHaveLength(limit)
      query = `?limit=${limit}&cursor=${encodeURIComponent(answer.json.nextCursor)}`
    }
    expect(found).toEqual(ids)
  })

  test('takes no cursor that another domain has given out', async () => {
    const here = await makeDomain()
    await upload(here, 'a')
    const { nextCursor } = (await list('?limit=1')).json
    const answer = await call('GET', `${here.origin}/v1/uploads?cursor=${nextCursor}`, asAdmin)
    expectProblem(answer, 400, 'request-invalid')
  })

  test('keeps its place while files come and go', async () => {
    const here = await makeDomain()
    const made = []
    for (let count = 0; count < 5; count++) made.unshift((await upload(here, `${count}`)).id)
    const page = (query: string) => call('GET', `${here.origin}/v1/uploads?limit=2${query}`, asAdmin)
    const first = await page('')
    await upload(here, 'newer')
    expectStatus(await call('DELETE', `${here.origin}/v1/uploads/${made[1]}`, asAdmin), 204)
    expectStatus(await call('DELETE', `${here.origin}/v1/uploads/${made[2]}`, asAdmin), 204)
    const second = await page(`&cursor=${first.json.nextCursor}`)
    expect([idsOf(first), idsOf(second)]).toEqual([made.slice(0, 2), made.slice(3)])
  })

  test.each([
    ['type=text/plain', [2, 3, 4, 5, 6]],
    ['type=image/*', [0, 1]],
    ['type=image/png', [1]],
    ['type=image/%25', []],
    ['type=video/mp4', []],
    ['type=%25/*', []],
    ['status=complete', [0, 1, 2, 3, 4, 5, 6]],
    ['status=failed', []],
    ['status=complete&type=image/*&limit=1', [0]],
    ['created_after=2000-01-01T00:00:00Z', [0, 1, 2, 3, 4, 5, 6]],
    ['created_after=2999-01-01T00:00:00%2B02:00', []],
    ['created_before=2999-01-01T00:00:00Z', [0, 1, 2, 3, 4, 5, 6]],
    ['created_before=2000-01-01T00:00:00Z', []],
  ])('filtered by %s', async (query, places) => {
    expect(idsOf(await list(`?${query}`))).toEqual(places.map((place) => ids[place]))
  })

  test('filtered by the very time of a file holds it', async () => {
    const { createdAt } = (await call('GET', `${domain.origin}/v1/uploads/${ids[0]}`)).json
    const time = encodeURIComponent(createdAt)
    expect(idsOf(await list(`?created_after=${time}&created_before=${time}`))).toContain(ids[0])
  })

  test('shows deleted files only to who asks for them, without their names', async () => {
    const here = await makeDomain()
    const { id } = await completeUpload(here, 'abc', 'secret.txt')
    expectStatus(await call('DELETE', `${here.origin}/v1/uploads/${id}`, asAdmin), 204)
    const all = await call('GET', `${here.origin}/v1/uploads`, asAdmin)
    const deleted = await call('GET', `${here.origin}/v1/uploads?status=deleted`, asAdmin)
    expect([idsOf(all), idsOf(deleted)]).toEqual([[], [id]])
    expect(deleted.json.uploads[0]).toMatchObject({ filename: '', metadata: {}, status: 'deleted' })
  })
})

describe('one upload', () => {
  test('is shown whole, and its status alone', async () => {
    const domain = await makeDomain()
    const accepted = await upload(domain, 'abc', 'a.txt', { headers: { 'content-type': 'text/plain' } })
    // Told once, to the one that sent it.
    const { readToken: _readToken, ...made } = accepted
    const shown = await waitForStatus(domain, made.id)
    const { steps, variants, ...rest } = shown
    expect(steps).toMatchObject([{ name: 'inspect', status: 'complete' }])
    expect(variants).toEqual([])
    expect(Object.keys(rest).sort()).toEqual(Object.keys(made).sort())
    expect(rest).toMatchObject({
      ...made,
      status: 'complete',
      attempts: 1,
      lastEvent: 3,
      updatedAt: rest.updatedAt,
      completedAt: rest.completedAt,
    })
    const status = await call('GET', `${domain.origin}/v1/uploads/${made.id}/status`)
    expect(status.json).toEqual({
      id: made.id,
      status: 'complete',
      failure: null,
      steps: [{ name: 'inspect', status: 'complete', progress: null }],
      generation: 1,
      attempts: 1,
      lastEvent: 3,
      received: null,
      createdAt: shown.createdAt,
      updatedAt: shown.updatedAt,
      completedAt: shown.completedAt,
    })
  })

  test('that is deleted is gone from every answer, and from the store', async () => {
    const domain = await makeDomain()
    const { id } = await completeUpload(domain, 'abc', 'secret.txt')
    const url = `${domain.origin}/v1/uploads/${id}`
    const answer = await call('DELETE', url, asAdmin)
    expectStatus(answer, 204)
    expect(answer.text).toBe('')
    for (const [method, rest] of [
      ['GET', ''],
      ['GET', '/status'],
      ['GET', '/content'],
      ['DELETE', ''],
      ['POST', '/reprocess'],
    ] as const) {
      expectProblem(await call(method, url + rest, asAdmin), 410, 'upload-deleted')
    }
    await eventually(async () => expect(await holdings(domain)).toEqual(nothingHeld))
    expect(await rowOf(id)).toMatchObject({
      filename: '',
      metadata: '{}',
      events: ['pending', 'processing', 'complete', 'deleted'],
    })
  })
})

describe('every answer', () => {
  let domain: TestDomain
  beforeAll(async () => {
    domain = await makeDomain()
  })

  test.each([
    ['PATCH', '/v1/uploads', 'POST, GET, HEAD, OPTIONS'],
    ['DELETE', '/v1/uploads', 'POST, GET, HEAD, OPTIONS'],
    ['POST', '/v1/uploads/x', 'PUT, GET, HEAD, DELETE, OPTIONS'],
    ['PUT', '/v1/uploads/x/status', 'GET, HEAD'],
    ['DELETE', '/v1/uploads/x/content', 'GET, HEAD'],
    ['GET', '/v1/uploads/x/reprocess', 'POST'],
    ['PUT', '/v1/domains', 'GET, HEAD, POST'],
    ['PUT', '/v1/domains/x/keys', 'GET, HEAD, POST'],
    ['GET', '/v1/domains/x/keys/y', 'DELETE'],
    ['GET', '/internal/jobs', 'POST'],
    ['POST', '/healthz', 'GET, HEAD'],
    ['DELETE', '/openapi.json', 'GET, HEAD'],
  ])('to %s %s says which methods there are', async (method, path, allow) => {
    const host = path.startsWith('/v1/uploads') ? domain.origin : 'http://localhost'
    const answer = await call(method, host + path, asAdmin)
    const problem = expectProblem(answer, 405, 'method-not-allowed')
    const sorted = (text: string | null) => (text ?? '').split(', ').sort()
    expect(sorted(answer.headers.get('allow'))).toEqual(sorted(allow))
    expect([...problem.allow].sort()).toEqual(sorted(allow))
  })

  test.each([
    '/index.html',
    '/v1',
    '/v1/nothing',
    '/v1/uploads/x/y/z',
    '/v1/uploads/x/events/y',
    '/internal',
    '/wp-login.php',
    '/v1//uploads',
  ])('to %s is that nothing is there', async (path) => {
    expectProblem(await call('GET', `http://localhost${path}`, asAdmin), 404, 'route-not-found')
  })

  test('has a request id, the one it was given if that is a sane one', async () => {
    const { id } = await completeUpload(domain, 'abc')
    const paths = [
      '/healthz',
      '/openapi.json',
      '/nothing',
      '/v1/uploads',
      `/v1/uploads/${id}`,
      `/v1/uploads/${id}/content`,
    ]
    const seen = new Set<string>()
    for (const path of paths) {
      for (const method of ['GET', 'PATCH']) {
        const answer = await call(method, domain.origin + path)
        const requestId = answer.headers.get('x-request-id') ?? ''
        expect(requestId).toMatch(/^[0-9a-f-]{36}$/)
        seen.add(requestId)
        const given = await call(method, domain.origin + path, { headers: { 'x-request-id': 'trace-4711' } })
        expect(given.headers.get('x-request-id')).toBe('trace-4711')
      }
    }
    expect(seen.size).toBe(2 * paths.length)
    for (const hostile of ['x'.repeat(300), 'a b', '<script>', 'a"b']) {
      const answer = await call('GET', `${domain.origin}/nothing`, { headers: { 'x-request-id': hostile } })
      expect(answer.json.requestId).toMatch(/^[0-9a-f-]{36}$/)
      expect(answer.headers.get('x-request-id')).toBe(answer.json.requestId)
    }
  })

  test('that nobody expected tells the client nothing', async () => {
    const send = appWith({
      deps: (deps) => ({
        databaseFor: () => {
          throw new Error(`secret of ${deps.env.BASE_DOMAIN}`)
        },
      }),
    })
    const problem = expectProblem(
      await call('GET', `${domain.origin}/v1/uploads`, { ...asAdmin, send }),
      500,
      'internal',
    )
    expect(JSON.stringify(problem)).not.toMatch(/secret|Error|\.ts/)
  })

  test('of health says whether the Worker is up', async () => {
    for (const origin of ['http://localhost', domain.origin, 'http://10.0.0.1', 'http://nobody.example']) {
      const answer = await call('GET', `${origin}/healthz`)
      expectStatus(answer, 200)
      expect(answer.json).toEqual({ ok: true })
    }
  })

  test('repeats nothing of the client in its headers', async () => {
    const answer = await putFile(domain.origin, 'a\r\nx-evil: 1', samples.html, {
      headers: { 'content-type': 'image/png', 'x-upload-domain': domain.slug },
    })
    expectProblem(answer, 415, 'type-contradicted')
    expect(answer.headers.get('x-evil')).toBeNull()
    expect(answer.json.filename).toBe('ax-evil: 1')
  })
})
