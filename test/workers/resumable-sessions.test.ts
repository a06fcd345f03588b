import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { afterAll, afterEach, beforeEach, describe, expect, type MockInstance, test, vi } from 'vitest'
import { formBody, multipartType, noise, sha256 } from '../support/e2e/bodies.ts'
import { eventually } from '../support/e2e/eventually.ts'
import { mebibyte, partBytes } from '../support/sizes.ts'
import {
  adminToken,
  allRows,
  type Call,
  call,
  chunkedBody,
  execute,
  expectProblem,
  expectStatus,
  file,
  heldExactly,
  holdings,
  isOpenMultipart,
  jobsDone,
  makeDomain,
  makeKey,
  nothingHeld,
  putFile,
  revokeKey,
  rowOf,
  type Send,
  type TestDomain,
  waitForStatus,
} from '../support/workers/client.ts'
import { begunPartial, partial } from '../support/workers/concatenation.ts'
import { appWith, HeldQueue, type Moment, overriding } from '../support/workers/faults.ts'
import { append, begun as begunByDraft, retrieve } from '../support/workers/resumable.ts'
import * as samples from '../support/workers/samples.ts'
import { alarmWith, Outside } from '../support/workers/session-faults.ts'
import { alarm, evict, expire, sessionOf, tablesOf, tailBytesOf, tamper } from '../support/workers/sessions.ts'
import { makeToken, usesTaken } from '../support/workers/tokens.ts'
import { create, created, head, idOf, offsetOf, patch, tusCall, uploadMetadata } from '../support/workers/tus.ts'

vi.setConfig({ testTimeout: 30_000 })
afterAll(jobsDone, 120_000)

const hour = 3600_000

/** What the reconciler does at a time that is so many milliseconds ahead. */
const reconcileIn = async (milliseconds: number, env: Record<string, unknown> = {}) => {
  const send = appWith({ env, deps: () => ({ now: () => Date.now() + milliseconds, queue: new HeldQueue() }) })
  const answer = await call('POST', 'http://localhost/v1/admin/reconcile', { key: adminToken, send })
  expectStatus(answer, 200)
  return answer.json
}

/** The ids of all rows of a domain, deleted ones included. */
const uploadIds = async (domain: TestDomain) =>
  (await allRows<{ id: string }>('SELECT id FROM uploaded_files WHERE domain_id = ? ORDER BY id', domain.id)).map(
    ({ id }) => id,
  )

async function suspend(domain: TestDomain, suspended: boolean): Promise<void> {
  const headers = { 'content-type': 'application/json' }
  const body = JSON.stringify({ suspended })
  expectStatus(
    await call('PATCH', `http://localhost/v1/domains/${domain.slug}`, { key: adminToken, headers, body }),
    200,
  )
}

/** An append of 10 bytes, of which half have been sent. */
async function halfOf(url: string) {
  const { readable, writable } = new FixedLengthStream(10)
  const appending = patch(url, 0, readable)
  const writer = writable.getWriter()
  await writer.write(new Uint8Array(5))
  return { appending, writer }
}

describe('an object that is ended and started again', () => {
  test('between any two requests has lost nothing', async () => {
    const domain = await makeDomain()
    const bytes = noise(2 * partBytes + 4321)
    const url = await created(domain, bytes.length)
    const cuts = [0, 1, 70_000, partBytes - 1, partBytes + 70_000, 2 * partBytes, bytes.length]
    for (const [index, from] of cuts.slice(0, -1).entries()) {
      await evict(idOf(url))
      expectStatus(await patch(url, from, bytes.subarray(from, cuts[index + 1])), 204)
      await evict(idOf(url))
      expect(offsetOf(await head(url))).toBe(cuts[index + 1])
    }
    expect(await waitForStatus(domain, idOf(url))).toMatchObject({ size: bytes.length, sha256: sha256(bytes) })
    expect(await holdings(domain)).toEqual(heldExactly(bytes.length))
  })

  test('still knows whether a file is text', async () => {
    const domain = await makeDomain()
    const text = new TextEncoder().encode('Grüße aus Łódź, 日本 and 🚢.\n'.repeat(5000))
    const url = await created(domain, text.length, {
      headers: { 'upload-metadata': uploadMetadata({ filename: 'a.txt', filetype: 'text/plain' }) },
    })
    for (let at = 0; at < text.length; at += 33_333) {
      await evict(idOf(url))
      expectStatus(await patch(url, at, text.subarray(at, at + 33_333)), 204)
    }
    await waitForStatus(domain, idOf(url))
    const content = await call('GET', `${domain.origin}/v1/uploads/${idOf(url)}/content`)
    expect(content.headers.get('content-type')).toBe('text/plain; charset=utf-8')
  })
})

describe('an upload that nobody goes on with', () => {
  test('ends when its time is over, and gives back what it held', async () => {
    const domain = await makeDomain({ anonymousUpload: true })
    const url = await created(domain, 3 * partBytes, { key: await makeToken(domain, { uses: 2 }) })
    expectStatus(await patch(url, 0, noise(partBytes + 5)), 204)
    const { object_key: key, r2_upload_id: upload } = await rowOf(idOf(url))
    await expire(idOf(url))
    expect(await alarm(idOf(url))).toBe(true)
    expect(await tablesOf(idOf(url))).toEqual([])
    expect(await isOpenMultipart(key as string, upload as string)).toBe(false)
    expect(await holdings(domain)).toEqual(nothingHeld)
    expect(await usesTaken(domain)).toEqual([0])
    expectStatus(await head(url), 410)
    expectProblem(await patch(url, partBytes + 5, 'abc'), 410, 'upload-deleted')
  })

  test('can’t be gone on with when its time is over, alarm or not', async () => {
    const domain = await makeDomain()
    const url = await created(domain, 5)
    await expire(idOf(url))
    expectProblem(await patch(url, 0, 'abcde'), 410, 'upload-deleted')
    expect(await holdings(domain)).toEqual(nothingHeld)
    expect(await tablesOf(idOf(url))).toEqual([])
  })

  test('is left alone before that by the alarm and by the reconciler', async () => {
    const domain = await makeDomain()
    const url = await created(domain, 5)
    expectStatus(await patch(url, 0, 'abc'), 204)
    await reconcileIn(23 * hour)
    await alarm(idOf(url))
    expectStatus(await patch(url, 3, 'de'), 204)
    await waitForStatus(domain, idOf(url))
  })

  test('is looked after again when its alarm could not find out where its domain is', async () => {
    const domain = await makeDomain()
    const url = await created(domain, 5)
    await expire(idOf(url))
    const lost = () => Promise.reject(new Error('D1 is away.'))
    const { failure, again } = await alarmWith(idOf(url), { deps: () => ({ placeOf: lost }) })
    expect(String(failure)).toContain('D1 is away.')
    expect(again).toBeGreaterThan(Date.now())
    await alarm(idOf(url))
    expect(await tablesOf(idOf(url))).toEqual([])
    expect(await holdings(domain)).toEqual(nothingHeld)
  })

  test('is complete when its last append was, and its session ends later', async () => {
    const domain = await makeDomain()
    const url = await created(domain, 5)
    expectStatus(await patch(url, 0, 'abcde'), 204)
    await waitForStatus(domain, idOf(url))
    await expire(idOf(url))
    await alarm(idOf(url))
    expect(await tablesOf(idOf(url))).toEqual([])
    expectProblem(await tusCall('GET', url), 404, 'upload-not-found')
    expect(await holdings(domain)).toEqual(heldExactly(5))
  })
})

describe('an upload that has ended without a file', () => {
  const day = 24 * hour

  test('is remembered with its events as long as any other deleted one; a piece, and what was one request, is not', async () => {
    const domain = await makeDomain({ historyDays: 2, allowedTypes: ['application/octet-stream'] })
    const [cancelled, refused, late, piece] = [
      await created(domain, 5),
      await created(domain, 5),
      await begunByDraft(domain, 5),
      await begunPartial(domain, 5),
    ]
    expectStatus(await tusCall('DELETE', cancelled), 204)
    expectProblem(await patch(refused, 0, 'a PDF'), 415, 'type-not-allowed')
    await expire(idOf(late))
    await alarm(idOf(late))
    expectStatus(await tusCall('DELETE', piece), 204)
    const { readable, writable } = new FixedLengthStream(2 * partBytes)
    const plain = putFile(domain.origin, 'big.bin', readable)
    const writer = writable.getWriter()
    await writer.write(noise(partBytes + 10))
    await eventually(async () => expect(await uploadIds(domain)).toHaveLength(5))
    await writer.abort(new Error('gone')).catch(() => {})
    expect((await plain).status).toBeGreaterThanOrEqual(400)
    expect(await holdings(domain)).toEqual(nothingHeld)

    // The last removal of what R2 holds is an hour after the deletion.
    await reconcileIn(2 * hour)
    const remembered = [cancelled, refused, late]
    expect(await uploadIds(domain)).toEqual(remembered.map(idOf).sort())
    for (const url of remembered) {
      expect((await rowOf(idOf(url))).events).toEqual(['uploading', 'deleted'])
      expectStatus(await tusCall('GET', url), 410)
      expectProblem(await call('GET', `${domain.origin}/v1/uploads/${idOf(url)}`), 410, 'upload-deleted')
    }
    await reconcileIn(2 * day + hour)
    expect(await uploadIds(domain)).toEqual([])
    expectStatus(await head(cancelled), 404)
  })
})

describe('an upload that is deleted while it runs', () => {
  test('by DELETE /v1/uploads/{id} ends its session, and an append that runs', async () => {
    const domain = await makeDomain()
    const url = await created(domain, 10)
    const { appending, writer } = await halfOf(url)
    expectStatus(await call('DELETE', `${domain.origin}/v1/uploads/${idOf(url)}`, { key: adminToken }), 204)
    await eventually(async () => expect(await tablesOf(idOf(url))).toEqual([]))
    await writer.abort(new Error('gone')).catch(() => {})
    expect((await appending).status).toBeGreaterThanOrEqual(400)
    expect(await holdings(domain)).toEqual(nothingHeld)
    expectStatus(await head(url), 410)
  })

  test('once it is complete it is a file like any other: DELETE of the upload does not touch it', async () => {
    const domain = await makeDomain()
    const url = await created(domain, 5)
    expectStatus(await patch(url, 0, 'abcde'), 204)
    await waitForStatus(domain, idOf(url))
    expectProblem(await tusCall('DELETE', url), 404, 'upload-not-found')
    expect(await holdings(domain)).toEqual(heldExactly(5))
  })
})

describe('a file that is accepted', () => {
  const remove = (domain: TestDomain, id: string) =>
    call('DELETE', `${domain.origin}/v1/uploads/${id}`, { key: adminToken })

  test('leaves no bytes in its session, nor does a piece of one', async () => {
    const domain = await makeDomain()
    const small = await created(domain, 5)
    expectStatus(await patch(small, 0, 'abc'), 204)
    expect(await tailBytesOf(idOf(small))).toBe(3)
    expectStatus(await patch(small, 3, 'de'), 204)
    const large = await created(domain, partBytes + 10)
    expectStatus(await patch(large, 0, noise(partBytes + 10)), 204)
    for (const url of [small, large, await partial(domain, 'abcde')]) {
      expect(await tailBytesOf(idOf(url))).toBe(0)
      await evict(idOf(url))
      const { status, headers } = await head(url)
      expect({ status, offset: headers.get('upload-offset') }).toEqual({
        status: 200,
        offset: headers.get('upload-length'),
      })
    }
  })

  test('leaves nothing in its session when it is deleted, by tus or by the draft', async () => {
    const domain = await makeDomain()
    const tus = await created(domain, 5, { headers: { 'upload-metadata': uploadMetadata({ filename: 'secret.txt' }) } })
    expectStatus(await patch(tus, 0, 'abcde'), 204)
    const draft = await begunByDraft(domain)
    expectStatus(await append(draft, 0, 'abcde', true), 202)
    for (const [url, ask] of [
      [tus, head],
      [draft, retrieve],
    ] as const) {
      await waitForStatus(domain, idOf(url))
      expectStatus(await ask(url), url === tus ? 200 : 204)
      expectStatus(await remove(domain, idOf(url)), 204)
      await eventually(async () => expect(await tablesOf(idOf(url))).toEqual([]))
      const answer = await ask(url)
      expectStatus(answer, 410)
      expect(answer.headers.has('upload-metadata')).toBe(false)
      expect(answer.headers.has('location')).toBe(false)
    }
    expect(await holdings(domain)).toEqual(nothingHeld)
  })

  test('leaves nothing in its session when its domain keeps it no longer', async () => {
    const domain = await makeDomain({ retentionDays: 1 })
    const url = await created(domain, 5)
    expectStatus(await patch(url, 0, 'abcde'), 204)
    await waitForStatus(domain, idOf(url))
    await reconcileIn(25 * hour, { RESUMABLE_HOURS: '48' })
    expect(await tablesOf(idOf(url))).toEqual([])
    expectStatus(await head(url), 410)
  })
})

describe('what was lost', () => {
  /** An upload with one part in R2 and some bytes behind it. */
  async function begun() {
    const domain = await makeDomain()
    const bytes = noise(partBytes + 1000)
    const url = await created(domain, bytes.length)
    expectStatus(await patch(url, 0, bytes.subarray(0, partBytes + 10)), 204)
    const row = await rowOf(idOf(url))
    const finish = () => patch(url, partBytes + 10, bytes.subarray(partBytes + 10))
    return { domain, url, finish, key: row.object_key as string, upload: row.r2_upload_id as string }
  }

  async function expectCleanEnd({ domain, url }: Pick<Awaited<ReturnType<typeof begun>>, 'domain' | 'url'>) {
    expectStatus(await head(url), 410)
    expect(await holdings(domain)).toEqual(nothingHeld)
    expect(await tablesOf(idOf(url))).toEqual([])
  }

  test('of a digest is read from the object once, however often the commit fails', async () => {
    const domain = await makeDomain()
    const [revoked, good] = [await makeKey(domain, ['upload']), await makeKey(domain, ['upload'])]
    const url = await created(domain, 5, { key: revoked.key })
    expectStatus(await patch(url, 0, 'abc', { key: good.key }), 204)
    await tamper(idOf(url), "UPDATE session SET progress = json_set(progress, '$.examination.sha256', json('null'))")
    await revokeKey(domain, revoked.id)
    const readsOf = async (work: (bindings: Outside['bindings']) => Promise<unknown>) => {
      const outside = new Outside()
      await work(outside.bindings)
      return outside.calls.filter((name) => name === 'R2 get').length
    }
    expectProblem(await patch(url, 3, 'de', { key: good.key }), 401, 'credential-invalid')
    expect(await readsOf((env) => alarmWith(idOf(url), { env }))).toBe(0)
    expect(await holdings(domain)).not.toEqual(nothingHeld)
  })

  test('an upload that R2 has forgotten ends with 410', async () => {
    const { finish, key, upload, ...rest } = await begun()
    await env.BUCKET.resumeMultipartUpload(key, upload).abort()
    expectProblem(await finish(), 410, 'upload-deleted')
    await expectCleanEnd(rest)
  })

  test('one that R2 has forgotten ends with 410 also in the midst of its parts', async () => {
    const domain = await makeDomain()
    const url = await created(domain, 4 * partBytes)
    expectStatus(await patch(url, 0, noise(partBytes)), 204)
    const { object_key: key, r2_upload_id: upload } = await rowOf(idOf(url))
    await env.BUCKET.resumeMultipartUpload(key as string, upload as string).abort()
    expectProblem(await patch(url, partBytes, noise(partBytes)), 410, 'upload-deleted')
    await expectCleanEnd({ domain, url })
  })

  test('a part that R2 no longer has as it was ends with 410', async () => {
    const { finish, key, upload, ...rest } = await begun()
    await env.BUCKET.resumeMultipartUpload(key, upload).uploadPart(1, noise(partBytes).reverse())
    expectProblem(await finish(), 410, 'upload-deleted')
    await expectCleanEnd(rest)
  })

  test('a row without its session is discarded by who asks for it', async () => {
    const { domain, url } = await begun()
    await tamper(idOf(url), 'DROP TABLE session')
    expectStatus(await head(url), 410)
    expect(await holdings(domain)).toEqual(nothingHeld)
  })

  test('and by nobody who asks by the other protocol', async () => {
    const { domain, url } = await begun()
    await tamper(idOf(url), 'DROP TABLE session')
    expectStatus(await retrieve(url.replace('/v1/tus/', '/v1/resumable/')), 404)
    expect(await holdings(domain)).toMatchObject({ rows: 1, openMultiparts: 1 })
    expectStatus(await head(url), 410)
  })

  test('a row without its session is discarded by the reconciler, an hour after its time', async () => {
    const { domain, url } = await begun()
    await tamper(idOf(url), 'DROP TABLE session')
    await reconcileIn(24.5 * hour)
    expect((await holdings(domain)).rows).toBe(1)
    await reconcileIn(25.5 * hour)
    expect(await holdings(domain)).toEqual(nothingHeld)
  })

  test('a session without its row ends at its next append, and R2 is not left with parts', async () => {
    const { domain, url, finish, key, upload } = await begun()
    await execute('DELETE FROM file_events WHERE file_id = ?', idOf(url))
    await execute('DELETE FROM uploaded_files WHERE id = ?', idOf(url))
    await execute('UPDATE domain_accounts SET stored_files = 0, stored_bytes = 0 WHERE domain_id = ?', domain.id)
    expectProblem(await finish(), 410, 'upload-deleted')
    expect(await isOpenMultipart(key, upload)).toBe(false)
    expect(await tablesOf(idOf(url))).toEqual([])
    expect(await holdings(domain)).toEqual(nothingHeld)
    expectStatus(await head(url), 404)
  })
})

describe('an upload of one request, while it runs,', () => {
  const bytes = noise(partBytes + 1000)
  const form = formBody([file('big.bin', bytes)])
  test.each([
    ['PUT', '/big.bin', 'application/octet-stream', bytes],
    ['POST', '', multipartType, form],
  ])(
    'is none of a session: %s /v1/uploads%s comes to its end, whoever asks for it',
    async (method, path, type, body) => {
      const domain = await makeDomain()
      const { readable, writable } = new FixedLengthStream(body.length)
      const headers = { 'content-type': type }
      const uploading = call(method, `${domain.origin}/v1/uploads${path}`, { body: readable, headers })
      const writer = writable.getWriter()
      // The last 100 bytes are still to come when it has its row.
      await writer.write(body.subarray(0, -100))
      const id = await eventually(async () => {
        const [found] = await uploadIds(domain)
        expect(found).toBeDefined()
        return found!
      })
      const [tus, draft] = ['tus', 'resumable'].map((protocol) => `${domain.origin}/v1/${protocol}/${id}`) as [
        string,
        string,
      ]
      for (const url of [tus, draft]) {
        expectProblem(await tusCall('GET', url), 404, 'upload-not-found')
        expectProblem(await tusCall('DELETE', url), 404, 'upload-not-found')
      }
      expectProblem(await patch(tus, 0, 'abc'), 404, 'upload-not-found')
      expectProblem(await append(draft, 0, 'abc', true), 404, 'upload-not-found')
      await writer.write(body.subarray(-100))
      await writer.close()
      expectStatus(await uploading, 202)
      expect(await waitForStatus(domain, id)).toMatchObject({ size: bytes.length, sha256: sha256(bytes) })
      for (const url of [tus, draft]) expectProblem(await tusCall('GET', url), 404, 'upload-not-found')
    },
  )
})

describe('a session that is not reached', () => {
  const marked = (message: string, marks: object) => Object.assign(new Error(message), marks)

  /** The interface in front of sessions whose every call fails like this. */
  const failingWith = (error: Error) => {
    const fail = () => Promise.reject(error)
    const session = { open: fail, view: fail, settle: fail, end: fail, fetch: fail }
    const getByName = () => session as unknown as ReturnType<typeof env.UPLOAD_SESSIONS.getByName>
    return appWith({ env: { UPLOAD_SESSIONS: overriding(env.UPLOAD_SESSIONS, { getByName }) } })
  }

  /** Every call that a session has part in, of an upload of which it has kept 3 bytes. */
  const askAll = async (send: Send) => {
    const domain = await makeDomain()
    const url = await created(domain, 10, { body: 'abc' })
    const file = `${domain.origin}/v1/uploads/${idOf(url)}`
    const answers = [
      await create(domain.origin, 10, { send }),
      await patch(url, 3, 'de', { send }),
      await tusCall('GET', url, { send }),
      await tusCall('DELETE', url, { send }),
      await call('GET', `${file}/status`, { key: adminToken, send }),
    ]
    expect(offsetOf(await head(url))).toBe(3)
    return answers
  }

  let errorLines: MockInstance<typeof console.error>
  beforeEach(() => {
    errorLines = vi.spyOn(console, 'error').mockImplementation(() => {})
  })
  afterEach(() => errorLines.mockRestore())

  test.each([
    marked('Durable Object reset because its code was updated.', { remote: true, durableObjectReset: true }),
    marked('Durable Object is overloaded. Too many requests queued.', { overloaded: true }),
    marked('Network connection lost.', { retryable: true }),
    marked('internal error; reference = 0123456789', { remote: true }),
    marked('Worker exceeded something.', {}),
  ])('is 503, and nothing is lost: %s', async (error) => {
    for (const answer of await askAll(failingWith(error))) {
      expectProblem(answer, 503, 'unavailable')
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    }
    expect(errorLines.mock.calls.map(([line]) => String(line))).toContainEqual(expect.stringContaining(error.message))
  })

  test('is told apart from one whose code is at fault', async () => {
    for (const error of [marked('x is not a function', { remote: true }), new TypeError('x is not a function')]) {
      for (const answer of await askAll(failingWith(error))) expectProblem(answer, 500, 'internal')
    }
  })

  test('is 503 also in the midst of an append, of which is kept what had been', async () => {
    const domain = await makeDomain()
    const url = await created(domain, 10)
    const { appending, writer } = await halfOf(url)
    await runInDurableObject(sessionOf(idOf(url)), (_session, state) => state.abort('reset')).catch(() => {})
    const answer = await appending
    await writer.abort(new Error('gone')).catch(() => {})
    expectProblem(answer, 503, 'unavailable')
    expect(answer.headers.has('retry-after')).toBe(true)
    expectStatus(await head(url), 200)
  })
})

describe('a creation by tus whose first bytes are not taken', () => {
  const checksum = (body: string) => `sha1 ${createHash('sha1').update(body).digest('base64')}`

  /** The interface in front of sessions of which every append fails: before it has come there, or after it was taken. */
  const failingAppends = (moment: Moment) => {
    const getByName = (name: string) => {
      const session = env.UPLOAD_SESSIONS.getByName(name)
      const fetch = async (url: string, sent: RequestInit) => {
        if (moment === 'after') await (await session.fetch(url, sent)).text()
        throw Object.assign(new Error('Network connection lost.'), { retryable: true })
      }
      const { open, settle, end } = session
      return { open, settle, end, fetch } as unknown as typeof session
    }
    return appWith({ env: { UPLOAD_SESSIONS: overriding(env.UPLOAD_SESSIONS, { getByName }) } })
  }

  const brokenOff = () => {
    const { readable, writable } = new FixedLengthStream(8)
    const writer = writable.getWriter()
    writer
      .write(Buffer.from('abc'))
      .then(() => writer.abort(new Error('gone')))
      .catch(() => {})
    return readable
  }

  test.each([
    ['are too many for one append', 413, () => ({ body: 'abcdefghi' })],
    ['do not fit their checksum', 460, () => ({ body: 'abcde', headers: { 'upload-checksum': checksum('other') } })],
    ['are more than its length', 400, () => ({ body: chunkedBody(noise(8)), headers: { 'upload-length': '6' } })],
    ['break off', 400, () => ({ body: brokenOff() })],
    ['do not come to the session', 503, () => ({ body: 'abcde', send: failingAppends('before') })],
  ] as [string, number, () => Call][])('holds nothing when they %s', async (_name, status, first) => {
    const domain = await makeDomain({ maxRequestBytes: 8 })
    const key = await makeToken(domain, { uses: 1 })
    const refused = await create(domain.origin, 20, { key, ...first() })
    expectStatus(refused, status)
    expect(refused.headers.has('location')).toBe(false)
    expect(await holdings(domain)).toEqual(nothingHeld)
    // The same again, as a client does it that was told no address.
    await created(domain, 20, { key, body: 'abcd' })
    expect(await holdings(domain)).toMatchObject({ rows: 1, storedBytes: 20 })
    expect(await usesTaken(domain)).toEqual([1])
  })

  test('is answered as if nothing had been when the file is accepted all the same', async () => {
    const domain = await makeDomain()
    const answer = await create(domain.origin, 5, { body: 'abcde', send: failingAppends('after') })
    expectStatus(answer, 201)
    expect(offsetOf(answer)).toBe(5)
    await waitForStatus(domain, idOf(answer.headers.get('location')!))
    expect(await holdings(domain)).toEqual(heldExactly(5))
  })
})

describe('who may go on with an upload', () => {
  test('nobody to whom the domain does not belong, and nobody by its address alone', async () => {
    const [domain, other] = [await makeDomain({ anonymousUpload: false }), await makeDomain()]
    const { key } = await makeKey(domain, ['upload'])
    const url = await created(domain, 5, { key })
    expectProblem(await patch(url, 0, 'abc'), 401, 'credential-required')
    expectProblem(await patch(url.replace(domain.origin, other.origin), 0, 'abc'), 404, 'upload-not-found')
    expectProblem(await tusCall('DELETE', url.replace(domain.origin, other.origin)), 404, 'upload-not-found')
    expectStatus(await patch(url, 0, 'abc', { key }), 204)
  })

  test('a key that was revoked can’t finish what it began, whoever sends the rest', async () => {
    const domain = await makeDomain({ anonymousUpload: false })
    const { id, key } = await makeKey(domain, ['upload'])
    const url = await created(domain, 5, { key })
    expectStatus(await revokeKey(domain, id), 204)
    expectProblem(await patch(url, 0, 'abcde', { key }), 401, 'credential-invalid')
    expectProblem(await patch(url, 0, 'abcde', { key: adminToken }), 401, 'credential-invalid')
  })

  test('a suspended domain takes nothing; its uploads go on when it does', async () => {
    const domain = await makeDomain()
    const [url, other] = [await created(domain, 5), await created(domain, 5)]
    expectStatus(await patch(url, 0, 'abc'), 204)
    expectStatus(await patch(other, 0, 'abc'), 204)
    await suspend(domain, true)
    expectProblem(await patch(url, 3, 'de'), 403, 'domain-suspended')
    expectProblem(await create(domain.origin, 5), 403, 'domain-suspended')
    expect(offsetOf(await head(url))).toBe(3)
    await suspend(domain, false)
    expectStatus(await head(url), 200)
    // Who has not heard of it can't have a file accepted either; its bytes stay.
    await execute('UPDATE domain_accounts SET suspended_at = 1 WHERE domain_id = ?', domain.id)
    expectProblem(await patch(url, 3, 'de'), 403, 'domain-suspended')
    expectProblem(await tusCall('GET', url), 403, 'domain-suspended')
    expect(await holdings(domain)).toMatchObject({ storedFiles: 2, storedBytes: 10 })
    await suspend(domain, false)
    expect(offsetOf(await head(url))).toBe(5)
    expectStatus(await patch(other, 3, 'de'), 204)
    await waitForStatus(domain, idOf(url))
    await waitForStatus(domain, idOf(other))
  })

  test('who has no key is given what reads the upload, and nothing else', async () => {
    const domain = await makeDomain({ publicRead: false })
    const answer = await create(domain.origin, 5, { body: 'abc' })
    const url = answer.headers.get('location')!
    const last = await patch(url, 3, 'de')
    const status = `${domain.origin}/v1/uploads/${idOf(url)}/status`
    for (const { headers } of [answer, last]) {
      expect(headers.get('cache-control')).toBe('no-store')
      expectStatus(await call('GET', status, { key: headers.get('x-read-token')! }), 200)
    }
    expectProblem(await call('GET', status), 401, 'credential-required')
    expect((await create(domain.origin, 5, { key: adminToken })).headers.has('x-read-token')).toBe(false)
  })

  test('a token brings as many uploads as it may, and what it fixes holds', async () => {
    const domain = await makeDomain()
    const key = await makeToken(domain, { uses: 1, maxFileBytes: 5, metadata: { dock: '7' } })
    expectProblem(await create(domain.origin, 6, { key }), 413, 'file-too-large')
    const url = await created(domain, 5, { key })
    expectProblem(await create(domain.origin, 5, { key }), 403, 'token-used-up')
    expectStatus(await patch(url, 0, 'abcde', { key }), 204)
    expect((await waitForStatus(domain, idOf(url))).metadata).toEqual({ dock: '7' })
    expect(await usesTaken(domain)).toEqual([1])
  })
})

describe('a file that is not taken', () => {
  test('ends its upload as soon as its bytes show it, and leaves nothing', async () => {
    const domain = await makeDomain({ allowedTypes: ['image/*'] })
    const declared = { 'upload-metadata': uploadMetadata({ filename: 'a.png', filetype: 'image/png' }) }
    const exe = Buffer.concat([samples.exe, noise(100_000)])
    const url = await created(domain, 10 * mebibyte, { headers: declared })
    expectProblem(await patch(url, 0, exe), 415, 'type-contradicted')
    expect(await holdings(domain)).toEqual(nothingHeld)
    expectStatus(await head(url), 410)

    const small = await created(domain, samples.pdf.length)
    expectStatus(await patch(small, 0, samples.pdf.subarray(0, 10)), 204)
    expectProblem(await patch(small, 10, samples.pdf.subarray(10)), 415, 'type-not-allowed')
    expectProblem(await create(domain.origin, 3, { body: 'abc' }), 415, 'type-not-allowed')
    expect(await holdings(domain)).toEqual(nothingHeld)

    const image = await created(domain, samples.webp.length, { headers: declared })
    expectProblem(await patch(image, 0, samples.webp), 415, 'type-contradicted')
    const undeclared = await created(domain, samples.webp.length)
    expectStatus(await patch(undeclared, 0, samples.webp), 204)
    expect((await waitForStatus(domain, idOf(undeclared))).type).toBe('image/webp')
  })
})
