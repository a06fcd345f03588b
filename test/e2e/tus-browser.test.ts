import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startBareWorker } from '../support/e2e/bare-worker.ts'
import { noise } from '../support/e2e/bodies.ts'
import { type Browser, chromiumMissing, openChromium } from '../support/e2e/chromium.ts'
import { expectStatus, holdings, makeDomain, nothingHeld, type TestDomain } from '../support/e2e/domains.ts'
import { eventually } from '../support/e2e/eventually.ts'
import { adminToken, type LocalWorker } from '../support/e2e/local-worker.ts'
import { type MeddlingProxy, startMeddlingProxy } from '../support/e2e/meddling-proxy.ts'
import { serveUploadPage, type UploadPage } from '../support/e2e/upload-page.ts'
import { untilComplete } from '../support/e2e/uploads.ts'
import { mebibyte } from '../support/sizes.ts'

if (chromiumMissing) console.warn(`Left out, the clients of tus in a browser: ${chromiumMissing}`)

/** What upload-page.html says of an upload at its end. */
interface Outcome {
  url?: string
  /** How each append was answered, where the page sends them itself. */
  statuses?: number[]
  error?: { message: string; status?: number; body?: string }
}

describe.skipIf(chromiumMissing)('in Chromium, on a page of another origin', () => {
  let worker: LocalWorker
  let network: MeddlingProxy
  let browser: Browser
  let application: UploadPage
  let stranger: UploadPage
  let folder: string
  /** The offsets at which the page's appends began, in their order. */
  let appendedAt: number[] = []

  /** A connection brings this many bytes to the server, and is silent from then on, until its client gives it up. */
  let bytesUntilSilent = Number.POSITIVE_INFINITY
  const silent = new Set<number>()

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stevedore-page-'))
    worker = await startBareWorker()
    network = await startMeddlingProxy(worker.port, {
      toServer: (chunk, { index, bytesToServer }) => {
        if (bytesToServer >= bytesUntilSilent) silent.add(index)
        return silent.has(index) ? Buffer.alloc(0) : chunk
      },
    })
    application = await serveUploadPage()
    stranger = await serveUploadPage()
    browser = await openChromium('about:blank')
    browser.page.on('request', (request) => {
      if (request.method() === 'PATCH') appendedAt.push(Number(request.headers()['upload-offset']))
    })
  })

  afterEach(() => {
    bytesUntilSilent = Number.POSITIVE_INFINITY
    appendedAt = []
  })

  afterAll(async () => {
    await browser?.close()
    application?.close()
    stranger?.close()
    await network?.close()
    await worker?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  /** A domain whose pages are the application's, and what a client there needs to upload to it. */
  async function domainOfApplication(options: Record<string, unknown> = {}) {
    const domain = await makeDomain(worker, { anonymousUpload: false, allowedOrigins: [application.origin] })
    const key = await worker.call('POST', `/v1/domains/${domain.slug}/keys`, {
      headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ scopes: ['upload'] }),
    })
    expectStatus(key, 201)
    const client = {
      endpoint: `http://${domain.host}:${new URL(network.url).port}/v1/tus`,
      headers: { Authorization: `Bearer ${key.json().key}` },
      retryDelays: null,
      ...options,
    }
    return { domain, client }
  }

  /** A file on the user's disk: to a page that is loaded anew it is the same as before. */
  async function fileOf(bytes: Buffer): Promise<string> {
    const path = join(folder, `crane-${bytes.length}.bin`)
    await writeFile(path, bytes)
    return path
  }

  /** Begins an upload on the page that is open, with the file that the user chooses there. */
  async function begin(
    client: 'uploadByTus' | 'uploadStream' | 'uploadByUppy' | 'uploadWithChecksums',
    path: string,
    options: Record<string, unknown>,
  ) {
    await browser.page.setInputFiles('input', path)
    await browser.page.evaluate(`uploads.begin(${JSON.stringify(client)}, ${JSON.stringify(options)})`)
  }

  const outcome = () => browser.page.evaluate<Outcome>('uploads.outcome')
  const progress = () => browser.page.evaluate<number[]>('uploads.progress')

  /** Waits until the upload is a file with these bytes. */
  async function expectFile(domain: TestDomain, { url, error }: Outcome, bytes: Buffer) {
    expect(error).toBeUndefined()
    const id = new URL(String(url)).pathname.split('/').at(-1) as string
    return untilComplete(worker, domain, id, bytes)
  }

  /** Waits until so much of the domain's only upload has been received, and gives how much that is. */
  async function untilReceived(domain: TestDomain, bytes: number): Promise<number> {
    return eventually(async () => {
      const row = await worker.env.DB.prepare('SELECT id FROM uploaded_files WHERE domain_id = ?')
        .bind(domain.id)
        .first<{ id: string }>()
      const answer = await worker.call('GET', `/v1/uploads/${row?.id}/status`, { host: domain.host })
      expect(answer.json().received?.bytes).toBeGreaterThanOrEqual(bytes)
      return answer.json().received.bytes
    })
  }

  /** Two appends, the second where the first had come to; and so the client's own progress. */
  async function expectGoneOnFrom(received: number, bytes: Buffer) {
    expect(appendedAt).toEqual([0, expect.any(Number)])
    const [, offset = 0] = appendedAt
    expect(offset).toBeGreaterThanOrEqual(received)
    expectUpwards(await progress(), offset, bytes.length)
  }

  function expectUpwards(steps: number[], from: number, to: number) {
    expect(steps).toEqual(steps.toSorted((a, b) => a - b))
    expect([steps[0], steps.at(-1)]).toEqual([from, to])
  }

  it('tus-js-client brings a file, and tells how far it is', async () => {
    const { domain, client } = await domainOfApplication({
      chunkSize: 2 * mebibyte,
      metadata: { filename: 'crane.bin' },
    })
    const bytes = noise(7 * mebibyte)
    await browser.page.goto(application.origin)
    await begin('uploadByTus', await fileOf(bytes), client)
    expect(await expectFile(domain, await outcome(), bytes)).toMatchObject({ filename: 'crane.bin', protocol: 'tus' })
    const offsets = [0, 2, 4, 6].map((mebibytes) => mebibytes * mebibyte)
    expect(appendedAt).toEqual(offsets)
    expect(await progress()).toEqual(expect.arrayContaining([...offsets, bytes.length]))
    expectUpwards(await progress(), 0, bytes.length)
  })

  it('tus-js-client goes on where it was when the page is loaded anew within an append', async () => {
    const { domain, client } = await domainOfApplication()
    const bytes = noise(12 * mebibyte)
    const path = await fileOf(bytes)
    await browser.page.goto(application.origin)
    bytesUntilSilent = 7 * mebibyte
    await begin('uploadByTus', path, client)
    const received = await untilReceived(domain, 6 * mebibyte)
    bytesUntilSilent = Number.POSITIVE_INFINITY
    await browser.page.reload()
    await begin('uploadByTus', path, client)
    await expectFile(domain, await outcome(), bytes)
    await expectGoneOnFrom(received, bytes)
    expect(await holdings(worker, domain)).toMatchObject({ storedFiles: 1, rows: { complete: 1 }, openMultiparts: 0 })
  })

  it('tus-js-client brings a stream whose length it does not know', async () => {
    const { domain, client } = await domainOfApplication({ chunkSize: 2 * mebibyte })
    const bytes = noise(5 * mebibyte + 777)
    await browser.page.goto(application.origin)
    await begin('uploadStream', await fileOf(bytes), client)
    await expectFile(domain, await outcome(), bytes)
  })

  it('tus-js-client brings a file in three pieces at once', async () => {
    const { domain, client } = await domainOfApplication({
      chunkSize: 2 * mebibyte,
      parallelUploads: 3,
      metadata: { filename: 'crane.bin', dock: '7' },
    })
    const bytes = noise(9 * mebibyte + 777)
    await browser.page.goto(application.origin)
    await begin('uploadByTus', await fileOf(bytes), client)
    const file = await expectFile(domain, await outcome(), bytes)
    expect(file).toMatchObject({ filename: 'crane.bin', protocol: 'tus', metadata: { dock: '7' } })
    // Each piece begins at its own 0, and goes on at 2 MiB.
    expect(appendedAt.toSorted((a, b) => a - b)).toEqual([0, 0, 0, ...Array(3).fill(2 * mebibyte)])
    expectUpwards(await progress(), 0, bytes.length)
    expect(await holdings(worker, domain)).toMatchObject({ storedFiles: 1, objects: 1, openMultiparts: 0 })
  })

  it('a page that computes checksums has each append held against its own', async () => {
    const { domain, client } = await domainOfApplication({ chunkSize: 3 * mebibyte })
    const bytes = noise(7 * mebibyte + 5)
    await browser.page.goto(application.origin)
    await begin('uploadWithChecksums', await fileOf(bytes), client)
    const brought = await outcome()
    expect(brought.statuses).toEqual([460, 204, 204, 204])
    await expectFile(domain, brought, bytes)
    expect(appendedAt).toEqual([0, 0, 3 * mebibyte, 6 * mebibyte])
  })

  it('Uppy goes on where it was when it is paused within an append and resumed', async () => {
    const { domain, client } = await domainOfApplication()
    const bytes = noise(11 * mebibyte)
    await browser.page.goto(application.origin)
    bytesUntilSilent = 7 * mebibyte
    await begin('uploadByUppy', await fileOf(bytes), client)
    const received = await untilReceived(domain, 6 * mebibyte)
    bytesUntilSilent = Number.POSITIVE_INFINITY
    await browser.page.evaluate('uploads.uppy.pauseAll()')
    await browser.page.evaluate('uploads.progress = []; uploads.uppy.resumeAll()')
    const file = await expectFile(domain, await outcome(), bytes)
    const name = `crane-${bytes.length}.bin`
    expect(file).toMatchObject({
      filename: name,
      protocol: 'tus',
      metadata: { name, type: 'application/octet-stream' },
    })
    await expectGoneOnFrom(received, bytes)
  })

  it('the page reads why it was refused', async () => {
    const { domain, client } = await domainOfApplication({ headers: {} })
    await browser.page.goto(application.origin)
    await begin('uploadByTus', await fileOf(noise(1000)), client)
    const { error } = await outcome()
    expect(error).toMatchObject({ status: 401, message: expect.stringContaining('response code: 401') })
    expect(JSON.parse(String(error?.body))).toMatchObject({ code: 'credential-required' })
    expect(await holdings(worker, domain)).toEqual(nothingHeld)
  })

  it('a page whose origin is not allowed is told nothing but that, by the browser, and stores nothing', async () => {
    const { domain, client } = await domainOfApplication()
    await browser.page.goto(stranger.origin)
    const path = await fileOf(noise(1000))
    const [complaint] = await Promise.all([
      browser.page.waitForEvent('console', (message) => message.text().includes('CORS policy')),
      begin('uploadByTus', path, client),
    ])
    expect(await outcome()).toEqual({
      error: { message: expect.stringMatching(/failed to create upload.*response code: n\/a/) },
    })
    expect(complaint.text()).toContain(`from origin '${stranger.origin}' has been blocked by CORS policy`)
    expect(await holdings(worker, domain)).toEqual(nothingHeld)
    // The reason stands in the answer to the preflight, which the browser keeps from the page.
    const preflight = await worker.call('OPTIONS', '/v1/tus', {
      host: domain.host,
      headers: { origin: stranger.origin, 'access-control-request-method': 'POST' },
    })
    expectStatus(preflight, 403)
    expect(preflight.json()).toMatchObject({ code: 'origin-not-allowed', origin: stranger.origin })
  })
})
