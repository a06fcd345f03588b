import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startBareWorker } from '../support/e2e/bare-worker.ts'
import { boundary, formBody, multipartType, noise } from '../support/e2e/bodies.ts'
import { type Browser, chromiumClient, chromiumMissing, openChromium } from '../support/e2e/chromium.ts'
import { expectStatus, holdings, makeDomain, nothingHeld, type TestDomain } from '../support/e2e/domains.ts'
import { eventually } from '../support/e2e/eventually.ts'
import type { LocalWorker } from '../support/e2e/local-worker.ts'
import { RawConnection } from '../support/e2e/raw-connection.ts'
import { type DoomedRequest, type RefusalClient, refusalClients } from '../support/e2e/refusal-clients.ts'

/**
 * A refusal that is sent while the client still writes reaches most clients as a reset connection, in most tries but
 * not in all. So each request is sent again and again, with a body that no socket buffer can hold.
 */
const isFull = process.env.STEVEDORE_TEST_FULL === '1'
const timesInARow = 50
const bodyBytes = (isFull ? 40 : 8) * 1024 * 1024

interface RefusalCase {
  title: string
  status: number
  code: string
  /** Run 50 times in a row with every client in every run, not only in the full one. */
  always?: boolean
  /** Sent without a Content-Length. */
  chunked?: boolean
  request(): Pick<DoomedRequest, 'method' | 'target' | 'headers'> & { body: Buffer }
}

let worker: LocalWorker
let browser: Browser | undefined
let folder: string
let open: TestDomain
let closed: TestDomain
let small: TestDomain
let medium: TestDomain
let few: TestDomain

const mebibyte = 1024 * 1024
const large = noise(bodyBytes)
const toDomain = (domain: TestDomain) => ({ 'X-Upload-Domain': domain.slug })
const put = (domain: TestDomain, headers: Record<string, string> = {}) => ({
  method: 'PUT',
  target: '/v1/uploads/large.bin',
  headers: { 'Content-Type': 'application/octet-stream', ...toDomain(domain), ...headers },
  body: large,
})
const form = (domain: TestDomain, body: Buffer, headers: Record<string, string> = {}) => ({
  method: 'POST',
  target: '/v1/uploads',
  headers: { 'Content-Type': multipartType, ...toDomain(domain), ...headers },
  body,
})
const largeForm = () => formBody([{ name: 'f', filename: 'large.bin', content: large }])

/** Certain before a byte of the body is read. */
const early: RefusalCase[] = [
  {
    title: '401 without a credential',
    status: 401,
    code: 'credential-required',
    always: true,
    request: () => put(closed),
  },
  {
    title: '401 with an unknown credential',
    status: 401,
    code: 'credential-invalid',
    request: () => put(open, { Authorization: 'Bearer nobody' }),
  },
  {
    title: '404 for an unknown domain',
    status: 404,
    code: 'domain-not-found',
    request: () => put({ ...open, slug: 'nobody' }),
  },
  {
    title: '409 for two domains',
    status: 409,
    code: 'domain-conflict',
    request: () => ({ ...put(open), target: `/v1/uploads/large.bin?domain=${small.slug}` }),
  },
  { title: '413 by Content-Length', status: 413, code: 'file-too-large', request: () => put(small) },
  {
    title: '415 for what is no form',
    status: 415,
    code: 'content-type-unsupported',
    request: () => form(open, large, { 'Content-Type': 'text/plain' }),
  },
  {
    title: '405 for another method',
    status: 405,
    code: 'method-not-allowed',
    request: () => ({ ...put(open), target: '/v1/uploads' }),
  },
  { title: '404 for no route', status: 404, code: 'route-not-found', request: () => ({ ...put(open), target: '/v2' }) },
]

/** Certain only when a part of the body has been read. */
const midBody: RefusalCase[] = [
  {
    title: '413 while a form streams in',
    status: 413,
    code: 'file-too-large',
    request: () => form(small, largeForm()),
  },
  {
    title: '413 when a part is in R2 already',
    status: 413,
    code: 'file-too-large',
    request: () => form(medium, largeForm()),
  },
  {
    title: '413 while a chunked body streams in',
    status: 413,
    code: 'file-too-large',
    chunked: true,
    request: () => put(small),
  },
  {
    title: '415 by the first bytes',
    status: 415,
    code: 'type-contradicted',
    always: true,
    request: () => put(open, { 'Content-Type': 'image/png' }),
  },
  {
    title: '413 for too many files',
    status: 413,
    code: 'too-many-files',
    request: () =>
      form(
        few,
        formBody(['a', 'b', 'c'].map((name) => ({ name, filename: name, content: large.subarray(0, bodyBytes / 3) }))),
      ),
  },
  {
    title: '422 for another digest',
    status: 422,
    code: 'digest-mismatch',
    request: () => put(open, { 'Content-Digest': `sha-256=:${Buffer.alloc(32).toString('base64')}:` }),
  },
  {
    title: '400 for a malformed form',
    status: 400,
    code: 'multipart-malformed',
    request: () =>
      form(
        open,
        Buffer.concat([
          Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n`),
          large.subarray(0, mebibyte),
          Buffer.from(`\r\n--${boundary}\r\nthis is no header\r\n\r\n`),
          large.subarray(mebibyte),
        ]),
      ),
  },
  {
    title: '400 for a file before the domain',
    status: 400,
    code: 'domain-required',
    request: () => ({ ...form(open, largeForm()), headers: { 'Content-Type': multipartType } }),
  },
]

beforeAll(async () => {
  worker = await startBareWorker()
  open = await makeDomain(worker)
  closed = await makeDomain(worker, { anonymousUpload: false })
  small = await makeDomain(worker, { maxFileBytes: mebibyte })
  // Larger than one part, so that what is refused has an R2 upload to give up.
  medium = await makeDomain(worker, { maxFileBytes: 6 * mebibyte })
  few = await makeDomain(worker, { maxFilesPerRequest: 2 })
  folder = await mkdtemp(join(tmpdir(), 'stevedore-refusals-'))
  if (chromiumMissing) console.warn(`Left out: refusals as a browser sees them, since ${chromiumMissing}.`)
  else browser = await openChromium(`http://localhost:${worker.port}/healthz`)
})

afterAll(async () => {
  await browser?.close()
  await worker?.stop()
  await rm(folder, { recursive: true, force: true })
})

const clients: RefusalClient[] = [
  ...refusalClients,
  ...(chromiumMissing ? [] : [chromiumClient(() => (browser as Browser).page)]),
]

describe.each(clients)('$name sees', (client) => {
  const cases = [...early, ...midBody].filter((refusal) => client.sendsChunked || !refusal.chunked)
  it.each(cases)('$title', { timeout: 300_000 }, async (refusal) => {
    const { body, ...request } = refusal.request()
    const bodyFile = join(folder, 'body')
    await writeFile(bodyFile, body)
    const times = isFull || refusal.always ? timesInARow : 2
    const chunked = refusal.chunked ?? false
    const answers = await client.send(worker.port, { ...request, chunked, bodyFile }, times)
    expect(answers).toEqual(Array.from({ length: times }, () => ({ status: refusal.status, code: refusal.code })))
  })
})

describe('a refused upload', () => {
  it('leaves nothing behind, whichever client sent it', async () => {
    for (const domain of [open, closed, small, medium, few]) {
      await eventually(async () => expect(await holdings(worker, domain)).toEqual(nothingHeld))
    }
    // Some of them had got as far as R2.
    expect(worker.r2.multiparts(`/${medium.id}`).length).toBeGreaterThan(0)
  })

  it('has its answer although the client neither sends the rest nor closes', async () => {
    const connection = await RawConnection.open(worker.port)
    await connection.sendHead('PUT', '/v1/uploads/large.bin', { Host: closed.host, 'Content-Length': large.length })
    await connection.send(large.subarray(0, mebibyte))
    const answer = await connection.answer()
    expectStatus(answer, 401)
    connection.close()
  })

  it('leaves the connection fit for the next request', async () => {
    const connection = await RawConnection.open(worker.port)
    for (const [domain, status] of [
      [closed, 401],
      [open, 202],
      [small, 413],
      [open, 202],
    ] as const) {
      const content = status === 413 ? large : noise(20_000)
      await connection.sendHead('PUT', '/v1/uploads/next.bin', { Host: domain.host, 'Content-Length': content.length })
      await connection.send(content)
      expectStatus(await connection.answer(), status)
    }
    connection.close()
  })
})

describe.skipIf(chromiumMissing)('a browser', () => {
  it('uploads a FormData with a file from its own page', async () => {
    const { page } = browser as Browser
    await page.goto(`http://${open.host}:${worker.port}/healthz`)
    const sent = await page.evaluate(async () => {
      const data = new FormData()
      data.append('metadata', '{"from":"page"}')
      data.append('file', new File(['Grüße\n'.repeat(1000)], 'grüße "1".txt', { type: 'text/plain' }))
      const answer = await fetch('/v1/uploads', { method: 'POST', body: data })
      return { status: answer.status, results: ((await answer.json()) as { results: unknown[] }).results }
    })
    expect(sent).toMatchObject({
      status: 202,
      results: [{ upload: { filename: 'grüße "1".txt', type: 'text/plain', size: 8000, metadata: { from: 'page' } } }],
    })
  })
})
