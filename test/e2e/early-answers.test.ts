import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AnswerMatrix } from '../support/e2e/answer-matrix.ts'
import { startBareWorker } from '../support/e2e/bare-worker.ts'
import { multipartType, noise, partHead } from '../support/e2e/bodies.ts'
import { type Browser, chromiumClient, chromiumMissing, openChromium } from '../support/e2e/chromium.ts'
import { expectStatus, holdings, makeDomain, nothingHeld } from '../support/e2e/domains.ts'
import { eventually } from '../support/e2e/eventually.ts'
import type { LocalWorker } from '../support/e2e/local-worker.ts'
import { RawConnection } from '../support/e2e/raw-connection.ts'
import { type RefusalClient, refusalClients } from '../support/e2e/refusal-clients.ts'
import { makeRefusingDomains, type RefusingDomains, refusals } from '../support/e2e/refusals.ts'

/**
 * A refusal that is sent while the client still writes reaches most clients as a reset connection, in most tries but
 * not in all. So each request is sent again and again, most of them with a body that no socket buffer can hold.
 */
const isFull = process.env.STEVEDORE_TEST_FULL === '1'
const mebibyte = 1024 * 1024
const timesInARow = isFull ? 50 : 10
const largeBytes = (isFull ? 40 : 8) * mebibyte
const smallBytes = 20_000

let worker: LocalWorker
let browser: Browser | undefined
let folder: string
let domains: RefusingDomains

const large = noise(largeBytes)
const matrix = new AnswerMatrix()

beforeAll(async () => {
  worker = await startBareWorker()
  domains = await makeRefusingDomains(worker)
  folder = await mkdtemp(join(tmpdir(), 'stevedore-refusals-'))
  if (chromiumMissing) console.warn(`Left out: refusals as a browser sees them, since ${chromiumMissing}.`)
  else browser = await openChromium(`http://localhost:${worker.port}/healthz`)
})

afterAll(async () => {
  console.log(`Refusals that arrived as answers:\n${matrix}`)
  await browser?.close()
  await worker?.stop()
  await rm(folder, { recursive: true, force: true })
})

const clients: RefusalClient[] = [
  ...refusalClients,
  ...(chromiumMissing ? [] : [chromiumClient(() => (browser as Browser).page)]),
]

/** Every refusal with a large body, and those of the matrix with a small one as well. */
const tries = refusals.flatMap((refusal) => [
  ...(refusal.inMatrix
    ? [{ ...refusal, size: 'small body', content: large.subarray(0, smallBytes), times: isFull ? timesInARow : 5 }]
    : []),
  { ...refusal, size: 'large body', content: large, times: isFull || refusal.always ? timesInARow : 2 },
])

describe.each(clients)('$name sees', (client) => {
  const cases = tries.filter(({ chunked }) => client.sendsChunked || !chunked)
  it.each(cases)('$title, $size', { timeout: 600_000 }, async (refusal) => {
    const { body, ...request } = refusal.request(domains, refusal.content)
    const { status, code, times, chunked = false } = refusal
    const bodyFile = join(folder, 'body')
    await writeFile(bodyFile, body)
    const seen = await client.send(worker.port, { ...request, chunked, bodyFile }, times)
    const right = seen.filter((answer) => 'code' in answer && answer.status === status && answer.code === code)
    if (refusal.inMatrix) {
      matrix.note(`${refusal.title}, ${body.length} bytes`, client.name, { answers: right.length, tries: times })
    }
    expect(seen).toEqual(Array.from({ length: times }, () => ({ status, code })))
  })
})

describe('a refused upload', () => {
  it('leaves nothing behind, whichever client sent it', async () => {
    for (const domain of Object.values(domains)) {
      await eventually(async () => expect(await holdings(worker, domain)).toEqual(nothingHeld))
    }
    // Some of them had got as far as R2.
    expect(worker.r2.multiparts(`/${domains.medium.id}`).length).toBeGreaterThan(0)
  })

  it('has its answer although the client neither sends the rest nor closes', async () => {
    const connection = await RawConnection.open(worker.port)
    await connection.sendHead('PUT', '/v1/uploads/large.bin', {
      Host: domains.closed.host,
      'Content-Length': large.length,
    })
    await connection.send(large.subarray(0, mebibyte))
    const answer = await connection.answer()
    expectStatus(answer, 401)
    connection.close()
  })

  it('has its answer when it is a form that is all refused and comes for ever', { timeout: 60_000 }, async () => {
    const connection = await RawConnection.open(worker.port)
    await connection.sendHead('POST', '/v1/uploads', {
      Host: domains.images.host,
      'Content-Type': multipartType,
      'Content-Length': 1024 * mebibyte,
    })
    await connection.send(partHead({ name: 'f', filename: 'endless.bin', content: '' }))
    const isAnswered = connection.answer()
    let sentBytes = 0
    // The answer comes while the client writes, so what it writes last may meet a closed connection.
    const sending = (async () => {
      for (; sentBytes < 1023 * mebibyte; sentBytes += large.length) await connection.send(large)
    })().catch(() => {})
    const answer = await isAnswered
    connection.close()
    await sending
    expectStatus(answer, 415)
    expect(answer.json()).toMatchObject({
      code: 'type-not-allowed',
      filename: 'endless.bin',
      results: [{ filename: 'endless.bin', problem: { code: 'type-not-allowed', filename: 'endless.bin' } }],
    })
    expect(sentBytes).toBeLessThan(512 * mebibyte)
  })

  it('has its answer when its page may not use the domain', async () => {
    const headers = { origin: 'https://elsewhere.example' }
    for (let times = 0; times < 10; times += 1) {
      const answer = await worker.call('PUT', '/v1/uploads/large.bin', {
        host: domains.open.host,
        headers,
        body: large,
      })
      expectStatus(answer, 403)
      expect(answer.json().code).toBe('origin-not-allowed')
    }
  })

  it('has its answer when it is one too many', async () => {
    const limited = await makeDomain(worker, { uploadsPerMinute: 1 })
    const send = () => worker.call('PUT', '/v1/uploads/large.bin', { host: limited.host, body: large })
    expectStatus(await send(), 202)
    // When a minute turns meanwhile, one of them passes.
    const rest = [await send(), await send()]
    expect(rest.find(({ status }) => status === 429)?.json()).toMatchObject({ code: 'rate-limited', limit: 1 })
  })

  it('leaves the connection fit for the next request', async () => {
    const connection = await RawConnection.open(worker.port)
    const { closed, open, medium } = domains
    for (const [domain, status] of [
      [closed, 401],
      [open, 202],
      [medium, 413],
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
    await page.goto(`http://${domains.open.host}:${worker.port}/healthz`)
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
