import { Buffer } from 'node:buffer'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { noise } from '../support/e2e/bodies.ts'
import { mebibyte, partBytes } from '../support/sizes.ts'
import {
  adminToken,
  allRows,
  call,
  expectProblem,
  expectStatus,
  heldExactly,
  holdings,
  jobsDone,
  makeDomain,
  nothingHeld,
  rowOf,
} from '../support/workers/client.ts'
import { begunPartial, join, locationOf, partial } from '../support/workers/concatenation.ts'
import { expectFile } from '../support/workers/expect-file.ts'
import { alarmWith } from '../support/workers/session-faults.ts'
import { alarm, evict, expire, tablesOf } from '../support/workers/sessions.ts'
import { makeToken, usesTaken } from '../support/workers/tokens.ts'
import { created, head, idOf, offsetOf, patch, tusCall, uploadMetadata } from '../support/workers/tus.ts'

vi.setConfig({ testTimeout: 30_000 })
afterAll(jobsDone, 120_000)

const asAdmin = { key: adminToken }

describe('partial uploads', () => {
  test('are joined in the order in which they are named, whatever their sizes and their own order', async () => {
    const domain = await makeDomain()
    const pieces = [noise(partBytes + 4321), noise(0), noise(77), noise(2 * partBytes), noise(1)]
    const urls: string[] = []
    for (const piece of pieces.toReversed()) urls.unshift(await partial(domain, piece))
    const metadata = uploadMetadata({ filename: 'crane.bin', dock: '7' })
    const answer = await join(domain, urls, { headers: { 'upload-metadata': metadata } })
    expectStatus(answer, 201)
    const bytes = Buffer.concat(pieces)
    expect(offsetOf(answer)).toBe(bytes.length)
    const told = await head(locationOf(answer))
    expect(Object.fromEntries(told.headers)).toMatchObject({
      'upload-offset': String(bytes.length),
      'upload-length': String(bytes.length),
      'upload-concat': `final;${urls.join(' ')}`,
      'upload-metadata': metadata,
    })
    const file = await expectFile(domain, idOf(locationOf(answer)), bytes)
    expect(file).toMatchObject({ filename: 'crane.bin', protocol: 'tus', metadata: { dock: '7' } })
    expect(await holdings(domain)).toEqual(heldExactly(bytes.length))
    for (const url of urls) expect(await tablesOf(idOf(url))).toEqual([])
  })

  test('are named by their paths as well', async () => {
    const domain = await makeDomain()
    const urls = [await partial(domain, 'abc'), await partial(domain, 'de')]
    const answer = await join(
      domain,
      urls.map((url) => new URL(url).pathname),
    )
    expectStatus(answer, 201)
    await expectFile(domain, idOf(locationOf(answer)), Buffer.from('abcde'))
  })

  test('of no bytes at all make a file of none', async () => {
    const domain = await makeDomain()
    const answer = await join(domain, [await partial(domain, ''), await partial(domain, '')])
    expectStatus(answer, 201)
    await expectFile(domain, idOf(locationOf(answer)), Buffer.alloc(0))
    expect(await holdings(domain)).toEqual(heldExactly(0))
  })

  test('are no files: nobody is shown them, and only their room counts', async () => {
    const domain = await makeDomain({ quotaFiles: 1, quotaBytes: 10, allowedExtensions: ['txt'] })
    const url = await partial(domain, 'abcdef')
    const told = await head(url)
    expect(told.headers.get('upload-concat')).toBe('partial')
    expect(offsetOf(told)).toBe(6)
    expect(told.headers.has('upload-expires')).toBe(true)
    const at = `${domain.origin}/v1/uploads`
    expect((await call('GET', at, asAdmin)).json.uploads).toEqual([])
    for (const path of ['', '/status', '/content', '/events']) {
      expectProblem(await call('GET', `${at}/${idOf(url)}${path}`, asAdmin), 404, 'upload-not-found')
    }
    expectProblem(await call('DELETE', `${at}/${idOf(url)}`, asAdmin), 404, 'upload-not-found')
    expect(await holdings(domain)).toMatchObject({ storedFiles: 0, storedBytes: 6 })
    expect(await allRows('SELECT number FROM file_events WHERE file_id = ?', idOf(url))).toEqual([])
    const other = await begunPartial(domain, 4)
    expectStatus(await patch(other, 0, 'ghij'), 204)
    // The room of both is all that there is, and enough for the file.
    const headers = { 'upload-metadata': uploadMetadata({ filename: 'a.txt' }) }
    const answer = await join(domain, [url, other], { headers })
    expectStatus(answer, 201)
    await expectFile(domain, idOf(locationOf(answer)), Buffer.from('abcdefghij'))
    expect(await holdings(domain)).toEqual(heldExactly(10))
  })

  test('reserve what they announce, and give it back when they end or their time is over', async () => {
    const domain = await makeDomain({ quotaBytes: 10 })
    const first = await partial(domain, 'abcdef')
    expectProblem(await join(domain, [first], { headers: { 'upload-length': '6' } }), 400, 'request-invalid')
    const tooMuch = await tusCall('POST', `${domain.origin}/v1/tus`, {
      headers: { 'upload-concat': 'partial', 'upload-length': '5' },
    })
    expectProblem(tooMuch, 413, 'quota-exceeded')
    expectStatus(await tusCall('DELETE', first), 204)
    expect(await holdings(domain)).toEqual(nothingHeld)
    const second = await partial(domain, 'abcdef')
    await expire(idOf(second))
    await alarm(idOf(second))
    expect(await holdings(domain)).toEqual(nothingHeld)
  })

  test('take no use of an upload token; the file does', async () => {
    const domain = await makeDomain({ anonymousUpload: false })
    const key = await makeToken(domain, { uses: 1 })
    const urls = [await partial(domain, 'ab', { key }), await partial(domain, 'cd', { key })]
    const answer = await join(domain, urls, { key })
    expectStatus(answer, 201)
    expect(answer.headers.has('x-read-token')).toBe(true)
    expect(await usesTaken(domain)).toEqual([1])
  })
})

describe('a final upload', () => {
  test('is refused with what is no partial upload of the domain', async () => {
    const domain = await makeDomain()
    const foreign = await partial(await makeDomain(), 'abc')
    const url = await partial(domain, 'abc')
    const whole = await created(domain, 3)
    const unknown = `${domain.origin}/v1/tus/${uuidv7()}`
    const ofAnother = `${domain.origin}/v1/tus/${idOf(foreign)}`
    for (const wrong of [whole, unknown, ofAnother]) {
      expectProblem(await join(domain, [url, wrong]), 404, 'upload-not-found')
    }
    for (const list of [[], [url, url], [foreign], [`${domain.origin}/v1/uploads/${idOf(url)}`], ['/v1/tus/x']]) {
      expectProblem(await join(domain, list), 400, 'request-invalid')
    }
    expectProblem(await join(domain, [url], { headers: { 'upload-concat': 'finale' } }), 400, 'request-invalid')
    expectProblem(await join(domain, [url], { headers: { 'upload-defer-length': '1' } }), 400, 'request-invalid')
    expectStatus(await tusCall('DELETE', whole), 204)
    expectStatus(await tusCall('DELETE', url), 204)
    expect(await holdings(domain)).toEqual(nothingHeld)
  })

  test('takes no bytes, before it is joined and afterwards', async () => {
    const domain = await makeDomain()
    const waiting = await begunPartial(domain, 3)
    const url = locationOf(await join(domain, [waiting]))
    expectProblem(await patch(url, 0, 'abc'), 403, 'forbidden')
    expectStatus(await patch(waiting, 0, 'abc'), 204)
    expect(offsetOf(await head(url))).toBe(3)
    expectProblem(await patch(url, 3, ''), 403, 'forbidden')
    await expectFile(domain, idOf(url), Buffer.from('abc'))
  })

  test('waits for what is unfinished, and tells no offset until it is joined', async () => {
    const domain = await makeDomain()
    const first = await begunPartial(domain, 3)
    const second = await begunPartial(domain, null)
    const answer = await join(domain, [second, first])
    expectStatus(answer, 201)
    const url = locationOf(answer)
    expect(answer.headers.has('upload-offset')).toBe(false)
    expectStatus(await patch(first, 0, 'abc'), 204)
    const waiting = await head(url)
    expectStatus(waiting, 200)
    expect(waiting.headers.has('upload-offset')).toBe(false)
    expect(waiting.headers.has('upload-length')).toBe(false)
    expectStatus(await patch(second, 0, 'd', { headers: { 'upload-length': '2' } }), 204)
    const known = await head(url)
    expect(known.headers.get('upload-length')).toBe('5')
    expect(known.headers.has('upload-offset')).toBe(false)
    expectStatus(await patch(second, 1, 'e'), 204)
    // Nobody asks: it goes on by itself.
    expect(await alarm(idOf(url))).toBe(true)
    await expectFile(domain, idOf(url), Buffer.from('deabc'))
    expect(await holdings(domain)).toEqual(heldExactly(5))
  })

  test('looks for what is unfinished ever more rarely, and at last every ten minutes', async () => {
    const domain = await makeDomain()
    const url = locationOf(await join(domain, [await begunPartial(domain, 3)]))
    const waits: number[] = []
    for (const age of [0, 4, 20, 600].map((minutes) => minutes * 60_000)) {
      const { again } = await alarmWith(idOf(url), { deps: () => ({ now: () => Date.now() + age }) })
      waits.push(Math.round(((again ?? 0) - Date.now()) / 10_000) * 10)
    }
    expect(waits).toEqual([30, 60, 300, 600])
  })

  test('gets the pieces alone that two of them wait for; the other ends, and leaves nothing', async () => {
    const domain = await makeDomain()
    const pieces = [await partial(domain, 'abc'), await begunPartial(domain, 2)]
    const urls = [locationOf(await join(domain, pieces)), locationOf(await join(domain, pieces.toReversed()))]
    expectStatus(await patch(pieces[1]!, 0, 'de'), 204)
    const answers = await Promise.all(urls.map((url) => head(url)))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 410])
    const winner = answers.findIndex(({ status }) => status === 200)
    await expectFile(domain, idOf(urls[winner]!), Buffer.from(['abcde', 'deabc'][winner]!))
    expect(await holdings(domain)).toEqual(heldExactly(5))
  })

  test('ends when a piece that it waits for is given up, or larger than the policy allows', async () => {
    const domain = await makeDomain({ maxFileBytes: 6 })
    const first = await partial(domain, 'abcd')
    const second = await begunPartial(domain, 3)
    expectProblem(await join(domain, [first, second]), 413, 'file-too-large')
    expectStatus(await tusCall('DELETE', second), 204)
    const deferred = await begunPartial(domain, null)
    const tooLarge = locationOf(await join(domain, [first, deferred]))
    expectStatus(await patch(deferred, 0, 'efg', { headers: { 'upload-length': '3' } }), 204)
    expectStatus(await head(tooLarge), 413)
    expectStatus(await head(tooLarge), 410)
    const third = await begunPartial(domain, 1)
    const url = locationOf(await join(domain, [first, third]))
    expectStatus(await tusCall('DELETE', third), 204)
    expectStatus(await head(url), 410)
    for (const left of [first, deferred]) expectStatus(await tusCall('DELETE', left), 204)
    expect(await holdings(domain)).toEqual(nothingHeld)
  })

  test('is judged by its own bytes, and leaves nothing when it is refused', async () => {
    const domain = await makeDomain({ allowedTypes: ['text/plain'] })
    const png = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
    const urls = [await partial(domain, new Uint8Array(png)), await partial(domain, 'plain text')]
    expectProblem(await join(domain, urls), 415, 'type-not-allowed')
    expect(await holdings(domain)).toEqual(nothingHeld)
  })

  test('goes on by itself over the size that an answer waits for, wherever it is cut off', {
    timeout: 120_000,
  }, async () => {
    const domain = await makeDomain({ maxFileBytes: 100 * mebibyte, maxRequestBytes: 100 * mebibyte })
    const pieces = [noise(40 * mebibyte), noise(30 * mebibyte + 5)]
    const urls = [await partial(domain, pieces[0]!), await partial(domain, pieces[1]!)]
    const answer = await join(domain, urls)
    expectStatus(answer, 201)
    expect(answer.headers.has('upload-offset')).toBe(false)
    const url = locationOf(answer)
    expect(await rowOf(idOf(url))).toMatchObject({ status: 'uploading', size: 70 * mebibyte + 5 })
    expect(await holdings(domain)).toMatchObject({ storedBytes: 70 * mebibyte + 5 })
    await evict(idOf(url))
    while ((await rowOf(idOf(url)))?.status === 'uploading') await alarm(idOf(url))
    await expectFile(domain, idOf(url), Buffer.concat(pieces))
    expect(await holdings(domain)).toEqual(heldExactly(70 * mebibyte + 5))
  })
})
