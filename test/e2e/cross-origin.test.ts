import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Browser, chromiumMissing, openChromium } from '../support/e2e/chromium.ts'
import { expectStatus, holdings, makeDomain, nothingHeld, type TestDomain } from '../support/e2e/domains.ts'
import { adminToken, type LocalWorker, startLocalWorker } from '../support/e2e/local-worker.ts'

if (chromiumMissing) console.warn(`Left out, pages of other origins: ${chromiumMissing}`)

/** What a page has seen of an answer; `blocked` when the browser gave it none. */
type Seen = { status: number; headers: Record<string, string | null>; body: Record<string, unknown> } | 'blocked'

interface Sent {
  url: string
  method: string
  headers?: Record<string, string>
  /** Sent as a form with one file when given, else the body is a text. */
  form?: Record<string, string>
  mode?: 'cors' | 'no-cors'
}

describe.skipIf(chromiumMissing)('a page of another origin', () => {
  let worker: LocalWorker
  let browser: Browser
  let pages: Server[]
  let allowed: string
  let elsewhere: string

  beforeAll(async () => {
    worker = await startLocalWorker()
    pages = [await servePage(), await servePage()]
    ;[allowed, elsewhere] = pages.map((server) => `http://localhost:${(server.address() as AddressInfo).port}`) as [
      string,
      string,
    ]
    browser = await openChromium(allowed)
  })

  afterAll(async () => {
    await browser?.close()
    for (const server of pages ?? []) server.close()
    await worker?.stop()
  })

  const atDomain = (domain: TestDomain, path: string) => `http://${domain.host}:${worker.port}${path}`
  const atApex = (path: string) => `http://localhost:${worker.port}${path}`

  async function sendFrom(origin: string, sent: Sent): Promise<Seen> {
    await browser.page.goto(origin)
    return browser.page.evaluate(sendAndSee, sent)
  }

  async function makeKey(domain: TestDomain): Promise<string> {
    const answer = await worker.call('POST', `/v1/domains/${domain.slug}/keys`, {
      headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ scopes: ['upload', 'read'] }),
    })
    expectStatus(answer, 201)
    return answer.json().key
  }

  it('that is allowed uploads with its key, and reads the answer with its headers', async () => {
    const policy = { anonymousUpload: false, publicRead: false, allowedOrigins: [allowed], uploadsPerMinute: 5 }
    const domain = await makeDomain(worker, policy)
    const authorization = `Bearer ${await makeKey(domain)}`
    const url = atDomain(domain, '/v1/uploads/a.txt')
    const seen = await sendFrom(allowed, {
      url,
      method: 'PUT',
      headers: { authorization, 'idempotency-key': 'one', 'content-type': 'text/plain' },
    })
    expect(seen).toMatchObject({
      status: 202,
      headers: {
        location: expect.stringContaining(atDomain(domain, '/v1/uploads/')),
        ratelimit: expect.stringMatching(/^"uploads";r=4;t=\d+$/),
        'ratelimit-policy': '"uploads";q=5;w=60',
        'x-request-id': expect.stringMatching(/./),
      },
      body: { filename: 'a.txt', size: 7 },
    })
    // Without the key it is refused, and can tell why.
    expect(await sendFrom(allowed, { url, method: 'PUT' })).toMatchObject({
      status: 401,
      body: { code: 'credential-required' },
    })
    expect(await holdings(worker, domain)).toMatchObject({ storedFiles: 1, objects: 1 })
  })

  it('that is allowed uploads a form at the apex host, where only the form names the domain', async () => {
    const domain = await makeDomain(worker, { allowedOrigins: [allowed] })
    const sent = { url: atApex('/v1/uploads'), method: 'POST', form: { domain: domain.slug } }
    expect(await sendFrom(allowed, sent)).toMatchObject({
      status: 202,
      headers: { location: expect.stringContaining('/v1/uploads/') },
      body: { results: [{ upload: { domain: domain.slug } }] },
    })
    // With a header that a form may not send by itself, there is a preflight before it.
    expect(await sendFrom(allowed, { ...sent, headers: { 'x-upload-domain': domain.slug } })).toMatchObject({
      status: 202,
    })
  })

  it('that is not allowed is blocked, and stores nothing, whichever way it sends', async () => {
    const domain = await makeDomain(worker, { allowedOrigins: [allowed] })
    const url = atDomain(domain, '/v1/uploads')
    const apex = atApex('/v1/uploads')
    const ways: Sent[] = [
      { url: `${url}/a.txt`, method: 'PUT' },
      // No preflight comes before these: it is the request itself that is refused.
      { url, method: 'POST', form: {} },
      { url, method: 'POST', form: {}, mode: 'no-cors' },
      { url: apex, method: 'POST', form: { domain: domain.slug } },
      { url: `${apex}?domain=${domain.slug}`, method: 'POST', form: {}, mode: 'no-cors' },
      // At the apex host the preflight passes.
      { url: `${apex}/a.txt`, method: 'PUT', headers: { 'x-upload-domain': domain.slug } },
      { url: `${url}/01a20416-9f93-7593-baee-ab11b2f9977b`, method: 'GET' },
    ]
    for (const sent of ways) {
      const seen = await sendFrom(elsewhere, sent)
      if (sent.mode === 'no-cors') expect(seen, JSON.stringify(sent)).toMatchObject({ status: 0, body: {} })
      else expect(seen, JSON.stringify(sent)).toBe('blocked')
    }
    expect(await holdings(worker, domain)).toEqual(nothingHeld)
  })
})

/** A page with nothing on it, on a port and so an origin of its own. */
function servePage(): Promise<Server> {
  const server = createServer((_request, response) =>
    response.writeHead(200, { 'content-type': 'text/html' }).end('<title>a page</title>'),
  )
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve(server))
  })
}

/** Runs in the page. */
async function sendAndSee({ url, method, headers = {}, form, mode = 'cors' }: Sent): Promise<Seen> {
  let body: FormData | string | null = method === 'GET' ? null : 'content'
  if (form) {
    body = new FormData()
    for (const [name, value] of Object.entries(form)) body.append(name, value)
    body.append('file', new File(['content'], 'a.txt', { type: 'text/plain' }))
  }
  try {
    // The types in reach are those of the Workers runtime, which knows no mode.
    const answer = await fetch(url, { method, headers, body, mode } as RequestInit)
    const shown = ['location', 'ratelimit', 'ratelimit-policy', 'x-request-id']
    const text = await answer.text()
    return {
      status: answer.status,
      headers: Object.fromEntries(shown.map((name) => [name, answer.headers.get(name)])),
      body: text === '' ? {} : JSON.parse(text),
    }
  } catch {
    return 'blocked'
  }
}
