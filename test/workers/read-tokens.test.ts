import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import {
  adminToken,
  call,
  completeUpload,
  expectProblem,
  expectStatus,
  file,
  jobsDone,
  makeDomain,
  makeKey,
  postForm,
  putFile,
  revokeKey,
  type TestDomain,
  waitForStatus,
} from '../support/workers/client.ts'
import { appWith } from '../support/workers/faults.ts'
import * as samples from '../support/workers/samples.ts'
import { askForLink, claimsOf, makeLink, makeToken } from '../support/workers/tokens.ts'

vi.setConfig({ testTimeout: 30_000 })
afterAll(jobsDone, 120_000)

const asAdmin = { key: adminToken }
const daySeconds = 24 * 3600
const openForUpload = { anonymousUpload: true, publicRead: false }
const withQuery = (url: string, token: string) => `${url}?token=${token}`
/** The Worker some seconds from now. */
const later = (seconds: number) => appWith({ deps: () => ({ now: () => Date.now() + seconds * 1000 }) })

describe('the read token beside an accepted upload', () => {
  test('is given to anonymous clients and upload tokens, not to keys and the administrator', async () => {
    const domain = await makeDomain(openForUpload)
    const { key } = await makeKey(domain, ['upload'])
    for (const [as, isGiven] of [
      [{}, true],
      [{ key: await makeToken(domain) }, true],
      [{ key }, false],
      [asAdmin, false],
    ] as const) {
      const raw = await putFile(domain.origin, 'a', 'abc', as)
      const form = await postForm(domain.origin, [file('a', 'abc'), file('b', 'abc')], as)
      expectStatus(raw, 202)
      for (const accepted of [raw.json, ...form.json.results]) expect('readToken' in accepted).toBe(isGiven)
      for (const { headers } of [raw, form]) expect(headers.get('cache-control')).toBe(isGiven ? 'no-store' : null)
    }
  })

  test('stands beside what was accepted, and not beside what was refused', async () => {
    const domain = await makeDomain(openForUpload)
    const answer = await postForm(domain.origin, [file('a', 'abc'), file('b.png', 'abc', 'image/png')])
    expectStatus(answer, 207)
    expect(claimsOf(answer.json.results[0].readToken).sub).toBe(answer.json.results[0].upload.id)
    expect(Object.keys(answer.json.results[1]).sort()).toEqual(['filename', 'problem'])
  })

  test('is the same in a repeat', async () => {
    const domain = await makeDomain(openForUpload)
    const send = () => putFile(domain.origin, 'a', 'abc', { headers: { 'idempotency-key': 'one' } })
    const first = await send()
    const repeat = await send()
    expect(repeat.json).toEqual(first.json)
    expect(repeat.json.readToken).toMatch(/^stvt_/)
    expect(repeat.headers.get('cache-control')).toBe('no-store')
  })

  test('is left out where the operator has set no secret', async () => {
    const domain = await makeDomain(openForUpload)
    const send = appWith({ env: { MODE: undefined } })
    const answer = await putFile(domain.origin, 'a', 'abc', { send })
    expectStatus(answer, 202)
    expect(answer.json).not.toHaveProperty('readToken')
    const { id } = answer.json
    expectProblem(await askForLink(domain, id, {}, { send }), 500, 'misconfigured')
    const made = await makeLink(domain, id)
    expectProblem(await call('GET', made, { send }), 401, 'credential-invalid')
  })
})

describe('a read token', () => {
  let domain: TestDomain
  let url: string
  let token: string
  let other: { id: string; readToken: string }
  beforeAll(async () => {
    domain = await makeDomain(openForUpload)
    const mine = (await putFile(domain.origin, 'a.txt', 'abc')).json
    other = (await putFile(domain.origin, 'b.txt', 'abc')).json
    await waitForStatus(domain, mine.id)
    url = `${domain.origin}/v1/uploads/${mine.id}`
    token = mine.readToken
  })

  test.each(['', '/status', '/content'])('reads %s of its file, by header and by query', async (rest) => {
    expectProblem(await call('GET', url + rest), 401, 'credential-required')
    for (const method of ['GET', 'HEAD']) {
      const byHeader = await call(method, url + rest, { key: token })
      const byQuery = await call(method, withQuery(url + rest, token))
      expectStatus(byHeader, 200)
      expectStatus(byQuery, 200)
      expect(byQuery.text).toBe(byHeader.text)
      expect(byHeader.headers.get('referrer-policy')).toBeNull()
      expect(byQuery.headers.get('referrer-policy')).toBe('no-referrer')
    }
  })

  test('shows the content as it is, to this client alone', async () => {
    const { headers } = await call('GET', withQuery(`${url}/content`, token))
    expect(headers.get('content-disposition')).toBe('inline; filename=a.txt')
    expect(headers.get('cache-control')).toMatch(/^private\b/)
    // An <img> on another site sends no header, and has the address.
    expect(headers.get('cross-origin-resource-policy')).toBe('cross-origin')
    const byAdministrator = await call('GET', `${url}/content`, asAdmin)
    expect(byAdministrator.headers.get('cross-origin-resource-policy')).toBe('same-site')
  })

  test('reads no other file, and does not tell whether there is one', async () => {
    const answers = await Promise.all(
      [other.id, uuidv7(), 'nonsense'].map((id) =>
        call('GET', `${domain.origin}/v1/uploads/${id}/content`, { key: token }),
      ),
    )
    const problems = answers.map((answer) => expectProblem(answer, 403, 'forbidden'))
    const told = problems.map(({ requestId: _requestId, ...rest }) => rest)
    expect(new Set(told.map((problem) => JSON.stringify(problem))).size).toBe(1)
  })

  test('does nothing but read', async () => {
    const as = { key: token }
    const json = { ...as, headers: { 'content-type': 'application/json' }, body: '{}' }
    expectProblem(await call('GET', `${domain.origin}/v1/uploads`, as), 403, 'forbidden')
    expectProblem(await call('DELETE', url, as), 403, 'forbidden')
    expectProblem(await call('POST', `${url}/reprocess`, as), 403, 'forbidden')
    expectProblem(await call('POST', `${url}/links`, json), 403, 'forbidden')
    expectProblem(await call('POST', `${domain.origin}/v1/upload-tokens`, json), 403, 'forbidden')
    expectProblem(await call('POST', 'http://localhost/v1/domains', json), 403, 'forbidden')
    const closed = await makeDomain({ anonymousUpload: false, publicRead: false })
    const { readToken } = (await putFile(closed.origin, 'a', 'abc', { key: await makeToken(closed) })).json
    expectProblem(await putFile(closed.origin, 'b', 'abc', { key: readToken }), 403, 'forbidden')
  })

  test('is unknown in another domain', async () => {
    const stranger = await makeDomain({ publicRead: true })
    const { id } = (await putFile(stranger.origin, 'a', 'abc')).json
    for (const place of [id, url.split('/').at(-1)]) {
      const there = `${stranger.origin}/v1/uploads/${place}`
      expectProblem(await call('GET', there, { key: token }), 401, 'credential-invalid')
      expectProblem(await call('GET', withQuery(there, token)), 401, 'credential-invalid')
    }
  })

  test('names its own domain on the apex host', async () => {
    const atApex = url.replace(domain.origin, 'http://localhost')
    expectStatus(await call('GET', withQuery(atApex, token)), 200)
    expectStatus(await call('GET', atApex, { key: token }), 200)
  })

  test('ends after 24 hours', async () => {
    const { iat, exp } = claimsOf(token)
    expect(exp - iat).toBe(daySeconds)
    const at = (milliseconds: number) => appWith({ deps: () => ({ now: () => milliseconds }) })
    expectStatus(await call('GET', url, { key: token, send: at(exp * 1000 - 1) }), 200)
    expectProblem(await call('GET', url, { key: token, send: at(exp * 1000) }), 401, 'credential-invalid')
  })

  test('tells of a file that was deleted', async () => {
    const { id, readToken } = (await putFile(domain.origin, 'c.txt', 'abc')).json
    expectStatus(await call('DELETE', `${domain.origin}/v1/uploads/${id}`, asAdmin), 204)
    expectProblem(await call('GET', `${domain.origin}/v1/uploads/${id}`, { key: readToken }), 410, 'upload-deleted')
  })

  test('beside another credential is refused: nobody could say which one counts', async () => {
    for (const key of [adminToken, token, 'nonsense']) {
      expectProblem(await call('GET', withQuery(url, token), { key }), 400, 'request-invalid')
    }
  })

  test.each(['', 'nonsense', 'stvt_', 'stvt_a.b.c', adminToken])(
    'in the query that is "%s" is unknown',
    async (text) => {
      const answer = await call('GET', withQuery(url, text))
      expectProblem(answer, 401, 'credential-invalid')
      expect(answer.headers.get('referrer-policy')).toBe('no-referrer')
    },
  )

  test('in the query of anything but a read of one upload means nothing', async () => {
    const closed = await makeDomain({ anonymousUpload: false, publicRead: false })
    const upload = await makeToken(closed)
    const { key } = await makeKey(closed, ['upload', 'read', 'delete'])
    const uploads = `${closed.origin}/v1/uploads`
    for (const parameter of [upload, key, adminToken]) {
      const answers = [
        await postForm(`${closed.origin}?token=${parameter}`, [file('a', 'abc')]),
        await call('PUT', withQuery(`${uploads}/a`, parameter), { body: 'abc' }),
        await call('DELETE', withQuery(`${uploads}/${uuidv7()}`, parameter)),
        await call('GET', withQuery(uploads, parameter)),
      ]
      for (const answer of answers) {
        expectProblem(answer, 401, 'credential-required')
        expect(answer.headers.get('referrer-policy')).toBe('no-referrer')
      }
    }
    // Keys and upload tokens are never good in an address.
    for (const parameter of [upload, key, adminToken]) {
      expectProblem(await call('GET', withQuery(`${uploads}/${uuidv7()}`, parameter)), 401, 'credential-invalid')
    }
  })
})

describe('a download link', () => {
  let domain: TestDomain
  let id: string
  beforeAll(async () => {
    domain = await makeDomain({ publicRead: false })
    id = (await completeUpload(domain, samples.png(4, 3), 'harbour.png', { headers: { 'content-type': 'image/png' } }))
      .id
  })

  test('serves the content to whoever has it, whole, in part, and its headers', async () => {
    const url = await makeLink(domain, id)
    expect(url.startsWith(`${domain.origin}/v1/uploads/${id}/content?token=stvt_`)).toBe(true)
    const whole = await call('GET', url)
    expectStatus(whole, 200)
    expect(whole.bytes).toEqual(new Uint8Array(samples.png(4, 3)))
    expect(whole.headers.get('content-disposition')).toBe('inline; filename=harbour.png')
    expect(whole.headers.get('cache-control')).toMatch(/^private\b/)
    expect(whole.headers.get('referrer-policy')).toBe('no-referrer')
    const part = await call('GET', url, { headers: { range: 'bytes=1-3' } })
    expectStatus(part, 206)
    expect(part.text).toBe('PNG')
    const head = await call('HEAD', url)
    expectStatus(head, 200)
    expect(head.headers.get('content-length')).toBe(String(whole.bytes.length))
    expect(head.text).toBe('')
    const fresh = await call('GET', url, { headers: { 'if-none-match': whole.headers.get('etag')! } })
    expectStatus(fresh, 304)
  })

  test('reads nothing else', async () => {
    const token = new URL(await makeLink(domain, id)).searchParams.get('token')!
    for (const rest of ['', '/status']) {
      expectProblem(await call('GET', withQuery(`${domain.origin}/v1/uploads/${id}${rest}`, token)), 403, 'forbidden')
    }
    const other = await completeUpload(domain, 'abc')
    const there = `${domain.origin}/v1/uploads/${other.id}/content`
    expectProblem(await call('GET', withQuery(there, token)), 403, 'forbidden')
    expectProblem(await call('GET', there.replace(other.id, id), { key: token }), 401, 'credential-invalid')
  })

  test('forces a filename, cleaned, and then never shows the content in place', async () => {
    const plain = await makeLink(domain, id, { filename: '../../Hafen\u202e \u0000bild.png' })
    const { headers } = await call('GET', plain)
    expect(headers.get('content-disposition')).toBe('attachment; filename="Hafen bild.png"')
    const beyond = (await call('GET', await makeLink(domain, id, { filename: 'Łódź 日本.png' }))).headers
    expect(beyond.get('content-disposition')).toContain("filename*=UTF-8''%C5%81%C3%B3d%C5%BA%20%E6%97%A5%E6%9C%AC.png")
  })

  test('keeps its filename where anybody may read', async () => {
    const open = await makeDomain({ publicRead: true })
    const { id } = await completeUpload(open, 'abc', 'a.txt')
    const { headers } = await call('GET', await makeLink(open, id, { filename: 'b.txt' }))
    expect(headers.get('content-disposition')).toBe('attachment; filename=b.txt')
    expect(headers.get('cache-control')).toMatch(/^private\b/)
  })

  test('from the apex host names the domain, and works there', async () => {
    const options = { ...asAdmin, headers: { 'content-type': 'application/json' }, body: '{}' }
    const answer = await call('POST', `http://localhost/v1/uploads/${id}/links?domain=${domain.slug}`, options)
    expectStatus(answer, 201)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    const url = new URL(answer.json.url)
    expect([url.origin, url.searchParams.get('domain')]).toEqual(['http://localhost', domain.slug])
    expectStatus(await call('GET', url.href), 200)
    url.searchParams.set('domain', (await makeDomain()).slug)
    expectProblem(await call('GET', url.href), 401, 'credential-invalid')
  })

  test('ends when it says, an hour from now or what was asked for', async () => {
    for (const [wanted, seconds] of [
      [{}, 3600],
      [{ expiresInSeconds: 7 * daySeconds }, 7 * daySeconds],
    ] as const) {
      const before = Math.floor(Date.now() / 1000) * 1000
      const { url, expiresAt } = (await askForLink(domain, id, wanted)).json
      const end = Date.parse(expiresAt)
      expect(end).toBeGreaterThanOrEqual(before + seconds * 1000)
      expect(end).toBeLessThanOrEqual(Date.now() + seconds * 1000)
      const at = (milliseconds: number) => ({ send: appWith({ deps: () => ({ now: () => milliseconds }) }) })
      expectStatus(await call('GET', url, at(end - 1)), 200)
      expectProblem(await call('GET', url, at(end)), 401, 'credential-invalid')
    }
  })

  test.each([
    ['no time', { expiresInSeconds: 0 }],
    ['more than seven days', { expiresInSeconds: 7 * daySeconds + 1 }],
    ['half a second', { expiresInSeconds: 1.5 }],
    ['a time that is none', { expiresInSeconds: null }],
    ['a filename that is none', { filename: 1 }],
    ['a filename of more than 1000 characters', { filename: 'x'.repeat(1001) }],
    ['something that it does not know', { file: 'a' }],
    ['an array', []],
  ])('is not made for %s', async (_name, wanted) => {
    expectProblem(await askForLink(domain, id, wanted), 400, 'request-invalid')
  })

  test('is made by a key that reads, for a file that is there', async () => {
    const reader = await makeKey(domain, ['read'])
    const made = await askForLink(domain, id, {}, { key: reader.key })
    expectStatus(made, 201)
    const uploader = await makeKey(domain, ['upload', 'delete', 'manage'])
    expect(expectProblem(await askForLink(domain, id, {}, uploader), 403, 'forbidden').scope).toBe('read')
    expectProblem(await askForLink(domain, uuidv7(), {}, reader), 404, 'upload-not-found')
    const stranger = await makeKey(await makeDomain(), ['read'])
    expectProblem(await askForLink(domain, id, {}, stranger), 401, 'credential-invalid')
    const open = await makeDomain({ publicRead: true })
    const anonymous = { key: undefined }
    const { id: openId } = await completeUpload(open, 'abc')
    expectProblem(await askForLink(open, openId, {}, anonymous), 401, 'credential-required')
    // Handed on, it no longer belongs to the key.
    await revokeKey(domain, reader.id)
    expectStatus(await call('GET', made.json.url, { send: later(60) }), 200)
  })

  test('ends with its file', async () => {
    const { id } = await completeUpload(domain, 'abc')
    const url = await makeLink(domain, id)
    expectStatus(await call('DELETE', `${domain.origin}/v1/uploads/${id}`, asAdmin), 204)
    expectProblem(await call('GET', url), 410, 'upload-deleted')
    expectProblem(await askForLink(domain, id), 410, 'upload-deleted')
  })
})

describe('what is logged and answered', () => {
  test('never holds a token', async () => {
    const lines: string[] = []
    const methods = ['debug', 'log', 'info', 'warn', 'error'] as const
    const spies = methods.map((method) =>
      vi.spyOn(console, method).mockImplementation((line) => lines.push(String(line))),
    )
    try {
      const domain = await makeDomain(openForUpload)
      const broken = appWith({
        deps: () => ({
          databaseFor: () => {
            throw new Error('no database')
          },
        }),
      })
      const { id, readToken } = (await putFile(domain.origin, 'a', 'abc')).json
      const upload = await makeToken(domain)
      const url = `${domain.origin}/v1/uploads/${id}`
      const answers = [
        await call('GET', withQuery(url, readToken), { send: broken }),
        await call('GET', url, { key: readToken, send: broken }),
        await putFile(domain.origin, 'a', 'abc', { key: upload, send: broken }),
        await call('GET', withQuery(url, `${readToken}x`)),
        await call('GET', withQuery(`${url}x`, readToken)),
        await call('GET', withQuery(url, readToken), { key: upload }),
        await call('GET', withQuery(`${domain.origin}/v1/nothing`, readToken)),
        await call('POST', withQuery(`${url}/status`, readToken)),
        await call('GET', `${url}?domain=nobody&token=${readToken}`),
      ]
      expect(answers.map(({ status }) => status)).toEqual([500, 500, 500, 401, 403, 400, 404, 405, 404])
      await call('POST', 'http://localhost/v1/admin/reconcile', asAdmin)
      const signatures = [readToken, upload].map((token) => token.split('.')[2] as string)
      expect(lines.join('\n')).toContain('no database')
      for (const text of [...lines, ...answers.map((answer) => answer.text + JSON.stringify([...answer.headers]))]) {
        for (const secret of ['stvt_', ...signatures]) expect(text).not.toContain(secret)
      }
    } finally {
      for (const spy of spies) spy.mockRestore()
    }
  })
})
