import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Webhook } from 'standardwebhooks'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { ConnectionError, type ErrorCode, StevedoreError, UnexpectedAnswer } from '../../client/index.ts'
import { type Repeatable, retryDelayMs } from '../../client/retry.ts'
import { streamedEventSchema } from '../../src/routes/event-schemas.ts'
import { inChromium, inNode, inWorkerd, type Page, type Runtime } from '../support/client/runtimes.ts'
import { patternBytes } from '../support/client/scenarios.ts'
import { startBareWorker } from '../support/e2e/bare-worker.ts'
import { sha256 } from '../support/e2e/bodies.ts'
import { chromiumMissing } from '../support/e2e/chromium.ts'
import { expectStatus, holdings, makeDomain, nothingHeld, type TestDomain } from '../support/e2e/domains.ts'
import { eventually } from '../support/e2e/eventually.ts'
import { adminToken, type LocalWorker } from '../support/e2e/local-worker.ts'
import { type MeddlingProxy, startMeddlingProxy } from '../support/e2e/meddling-proxy.ts'

if (chromiumMissing) console.warn(`Left out, the client in a browser: ${chromiumMissing}`)

const mebibyte = 1024 * 1024
/** More than a part of 5 MiB, so that a good deal of it is kept when it is cut. */
const largeBytes = 8 * mebibyte
const asLarge = { resumableAboveBytes: mebibyte }
/** Outside of browsers an append is 10 MiB: this takes two. */
const twoAppendsBytes = 12 * mebibyte

let worker: LocalWorker
let network: MeddlingProxy
let url: string
/** No Stevedore, and no resource. */
let stranger: { url: string; close(): void }

/** Cuts the connection that has brought so many bytes to the server, once. */
let cutAtBytes = Number.POSITIVE_INFINITY
/** A connection that has brought so many bytes is silent from then on. */
let silentAtBytes = Number.POSITIVE_INFINITY
/** Cuts the event stream that has brought so many bytes to the client, once. */
let cutStreamAtBytes = Number.POSITIVE_INFINITY
/** Where the appends began that passed through. */
let offsets: number[] = []
/** The connections that have become a stream of events, with what they had brought to the client until then. */
const streams = new Map<number, number>()
let cuts = 0

beforeAll(async () => {
  worker = await startBareWorker()
  network = await startMeddlingProxy(worker.port, {
    toServer: (chunk, passage) => {
      offsets.push(...[...chunk.toString('latin1').matchAll(/^upload-offset: (\d+)/gim)].map(([, at]) => Number(at)))
      if (passage.bytesToServer >= cutAtBytes) {
        cutAtBytes = Number.POSITIVE_INFINITY
        cuts++
        passage.cut()
      }
      return passage.bytesToServer >= silentAtBytes ? Buffer.alloc(0) : chunk
    },
    toClient: (chunk, passage) => {
      const text = chunk.toString('latin1').replace(/^retry: \d{4}$/m, 'retry: 0001')
      if (text.includes('text/event-stream')) streams.set(passage.index, passage.bytesToClient)
      const bytes = passage.bytesToClient - (streams.get(passage.index) ?? Number.POSITIVE_INFINITY)
      if (!(bytes + chunk.length >= cutStreamAtBytes)) return Buffer.from(text, 'latin1')
      const kept = text.slice(0, Math.max(0, cutStreamAtBytes - bytes))
      cutStreamAtBytes = Number.POSITIVE_INFINITY
      cuts++
      setImmediate(() => passage.cut())
      return Buffer.from(kept, 'latin1')
    },
  })
  url = network.url.replace('localhost', '127.0.0.1')
  stranger = await startStranger()
})

afterEach(() => {
  cutAtBytes = silentAtBytes = cutStreamAtBytes = Number.POSITIVE_INFINITY
  offsets = []
  streams.clear()
  cuts = 0
})

afterAll(async () => {
  stranger?.close()
  await network?.close()
  await worker?.stop()
})

const runtimes = [
  { name: 'Node', open: inNode, missing: undefined },
  { name: 'workerd', open: inWorkerd, missing: undefined },
  { name: 'Chromium', open: inChromium, missing: chromiumMissing },
]

for (const { name, open, missing } of runtimes) {
  describe.skipIf(missing)(`in ${name}`, () => {
    let runtime: Runtime
    beforeAll(async () => {
      runtime = await open()
    })
    afterAll(() => runtime?.close())

    /** A domain that a key is needed for, and what the client is made with to have one. */
    async function domainWithKey(policy: Record<string, unknown> = {}) {
      const domain = await makeDomain(worker, {
        anonymousUpload: false,
        publicRead: false,
        ...(runtime.origin && { allowedOrigins: [runtime.origin] }),
        ...policy,
      })
      return { domain, client: { url, key: await makeKey(domain), domain: domain.slug } }
    }

    test('a small file is one request', async () => {
      const { client } = await domainWithKey()
      const options = { metadata: { Größe: '“5”' }, type: 'application/octet-stream' }
      const seen = await runtime.run('upload', {
        client,
        file: { text: 'Some text.\n', name: 'Käse & Brot.txt', options },
      })
      expect(seen).toMatchObject({
        upload: {
          filename: 'Käse & Brot.txt',
          type: 'text/plain',
          declaredType: 'application/octet-stream',
          metadata: { Größe: '“5”' },
          sha256: sha256(Buffer.from('Some text.\n')),
          protocol: 'raw',
        },
        status: { status: 'complete', steps: [{ name: 'inspect', status: 'complete' }] },
      })
      expect([seen.progress[0], seen.progress.at(-1)]).toEqual([0, 11])
    })

    test.each(['..', '', 'a/../b'])('a file named %j is one, too', async (filename) => {
      const { client } = await domainWithKey()
      const { upload } = await runtime.run('upload', { client, file: { text: 'x', options: { filename } } })
      expect(upload).toMatchObject({ filename: filename === 'a/../b' ? 'b' : 'unnamed' })
    })

    test('a large file goes on where it was when its connection is cut', async () => {
      const { client, domain } = await domainWithKey()
      cutAtBytes = 6 * mebibyte
      const seen = await runtime.run('byToken', {
        client,
        file: { bytes: largeBytes, options: { ...asLarge, metadata: { a: 'é' } } },
      })
      expect(cuts).toBe(1)
      // Chromium sends a request again by itself when its connection has served before: that is not the client's doing.
      expect(offsets[0]).toBe(0)
      expect(offsets.at(-1)).toBeGreaterThan(0)
      expect(seen).toMatchObject({
        upload: { size: largeBytes, sha256: sha256(patternBytes(largeBytes)), protocol: 'tus', filename: 'crane.bin' },
        status: 'complete',
        events: ['upload.uploading', 'upload.pending', 'upload.processing', 'upload.complete'],
        content: [0, 1, 2],
        withoutIt: { name: 'StevedoreError', code: 'forbidden' },
        usedUp: { name: 'StevedoreError', code: 'token-used-up', status: 403 },
      })
      expect(seen.upload.metadata).toEqual({ a: 'é', user: '4711' })
      expect(seen.asked).toBeGreaterThan(3)
      expect(await holdings(worker, domain)).toMatchObject({ storedFiles: 1, openMultiparts: 0, objects: 1 })
    })

    test('a token is enough for a small file and for all that is asked of it', async () => {
      const { client } = await domainWithKey()
      expect(await runtime.run('byToken', { client, file: { text: 'abc' } })).toMatchObject({
        upload: { protocol: 'raw', metadata: { user: '4711' } },
        status: 'complete',
        events: ['upload.pending', 'upload.processing', 'upload.complete'],
        content: [97, 98, 99],
        usedUp: { code: 'token-used-up' },
      })
    })

    test('progress grows to the size of the file', async () => {
      const { client } = await domainWithKey()
      const { progress } = await runtime.run('upload', { client, file: { bytes: twoAppendsBytes } })
      expect(progress).toEqual(progress.toSorted((a, b) => a - b))
      expect([progress[0], progress.at(-1)]).toEqual([0, twoAppendsBytes])
      if (!runtime.origin) expect(progress).toContain(10 * mebibyte)
    })

    test.each([
      ['a small file', { bytes: 3 * mebibyte, abortAfterMs: 300 }, mebibyte],
      ['a large file', { bytes: largeBytes, options: asLarge, abortAfterMs: 500 }, 6 * mebibyte],
      ['a large file that is being created', { bytes: largeBytes, options: asLarge, abortAfterMs: 1 }, largeBytes],
      ['a large file before its first byte', { bytes: largeBytes, options: asLarge, abortAtBytes: 0 }, largeBytes],
    ])('who gives up %s leaves nothing', async (_, file, silentAt) => {
      const { client, domain } = await domainWithKey()
      silentAtBytes = silentAt
      // A browser tells of what it has sent before there is an answer, so that it is known when to give up.
      const when = runtime.origin && silentAt < file.bytes ? { abortAfterMs: undefined, abortAtBytes: 1 } : {}
      const { error } = await runtime.run('upload', { client, file: { ...file, ...when } })
      expect(error).toMatchObject({ name: expect.stringMatching(/^(Abort|Timeout)Error$/) })
      await eventually(async () => expect(await holdings(worker, domain)).toEqual(nothingHeld))
    })

    test('every other call', async () => {
      const { client } = await domainWithKey()
      const seen = await runtime.run('everyCall', { client })
      expect(seen).toMatchObject({
        detail: { filename: 'note.txt', steps: [{ name: 'inspect' }], variants: [] },
        status: 'complete',
        texts: ['Some text.\n', 'text', 'text.\n'],
        statuses: [200, 206, 206],
        link: { url: expect.stringContaining('token='), expiresAt: expect.any(String) },
        again: 'pending',
        generation: 2,
        deleted: { name: 'StevedoreError', code: 'upload-deleted', status: 410 },
      })
      expect(seen.history).toHaveLength(6)
    })

    test('a list comes page by page', async () => {
      const { client } = await domainWithKey()
      const { sent, listed, pages, next } = await runtime.run('list', { client, files: 5 })
      expect(listed).toEqual(sent.toReversed())
      expect(pages).toEqual([2, 3, 0])
      expect(next).toBeNull()
    })

    test('events come once and in order, over a stream that is cut', async () => {
      const { client } = await domainWithKey()
      cutStreamAtBytes = 800
      const { events, after } = await runtime.run('watchOne', { client })
      expect(cuts).toBe(1)
      expect(events.map(({ type }) => type)).toEqual(['upload.pending', 'upload.processing', 'upload.complete'])
      for (const event of events) expect(streamedEventSchema.loose().parse(event)).toEqual(event)
      expect(after).toEqual([])
    })

    test('a domain can be watched, and gone on watching from any event', async () => {
      const { client } = await domainWithKey()
      const { events, resumed, ends, aborted } = await runtime.run('watchAll', { client })
      expect(events.at(-1)).toMatchObject({ type: 'upload.complete' })
      expect(resumed).toEqual(events.slice(1))
      expect(ends).toEqual(events.slice(-1))
      expect(aborted).toMatchObject({ name: 'TimeoutError' })
    })

    test('who waits for too long is told so', async () => {
      const { client, domain } = await domainWithKey()
      const begun = await worker.call('POST', '/v1/tus', {
        host: domain.host,
        headers: { authorization: `Bearer ${client.key}`, 'tus-resumable': '1.0.0', 'upload-length': '5' },
      })
      expectStatus(begun, 201)
      const id = new URL(String(begun.headers.location)).pathname.split('/').at(-1) as string
      expect(await runtime.run('waitTooLong', { client, id })).toMatchObject({ name: 'TimeoutError' })
    })

    test('a refusal is an error with its code', async () => {
      const { client } = await domainWithKey({ maxFileBytes: 5, allowedTypes: ['text/*'] })
      const refusal = async (file: Parameters<typeof runtime.run<'upload'>>[1]['file'], other = {}) =>
        (await runtime.run('upload', { client: { ...client, ...other }, file })).error
      const tooLarge = { name: 'StevedoreError', code: 'file-too-large', status: 413, limit: 5 }
      expect(await refusal({ text: 'too large' })).toMatchObject({ ...tooLarge, requestId: expect.stringMatching(/./) })
      expect(await refusal({ text: 'too large', options: { resumableAboveBytes: 0 } })).toMatchObject(tooLarge)
      expect(await refusal({ bytes: 5 })).toMatchObject({ code: 'type-not-allowed', status: 415 })
      expect(await refusal({ text: 'x' }, { key: 'stv_unknown' })).toMatchObject({ code: 'credential-invalid' })
      expect(await refusal({ text: 'x' }, { domain: 'nobody' })).toMatchObject({ code: 'domain-not-found' })
      expect(
        await refusal({ text: 'x', options: { resumableAboveBytes: 0, metadata: { domain: 'x' } } }),
      ).toMatchObject({
        name: 'TypeError',
        message: expect.stringContaining('"domain"'),
      })
    })

    test('no answer, and that of another server, are errors of their own', async () => {
      const nobody = { url: 'http://127.0.0.1:9', retries: 0 }
      const small = { text: 'x' }
      const large = { text: 'x', options: { resumableAboveBytes: 0 } }
      for (const file of [small, large]) {
        expect((await runtime.run('upload', { client: nobody, file })).error).toMatchObject({ name: 'ConnectionError' })
      }
      const { error } = await runtime.run('upload', { client: { url: stranger.url, retries: 0 }, file: small })
      expect(error).toMatchObject({ name: 'UnexpectedAnswer', status: 404 })
    })

    test('what is sent again is stored once', async () => {
      const { client, domain } = await domainWithKey()
      const { ids, outcome } = await runtime.run('losingAnswers', { client, lost: ['broken'] })
      expect(ids).toHaveLength(2)
      expect(new Set(ids).size).toBe(1)
      expect(outcome).toMatchObject({ id: ids[0] })
      expect(await holdings(worker, domain)).toMatchObject({ storedFiles: 1 })
      const tooOften = await runtime.run('losingAnswers', { client: { ...client, retries: 0 }, lost: [503] })
      expect(tooOften.outcome).toEqual({ name: 'UnexpectedAnswer', status: 503 })
      const never = await runtime.run('losingAnswers', { client, lost: [500] })
      expect(never.ids).toHaveLength(1)
    })

    test('a webhook is believed only when it is signed, and of now', async () => {
      const [secret, other] = ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'whsec_c29tZSBvdGhlciBzZWNyZXQgb2Ygb3Vycw==']
      const body = JSON.stringify({ type: 'upload.complete', data: { upload: { filename: 'Käse.txt' } } })
      const signed = (seconds: number, key = secret!, version = '') => {
        const time = new Date(Date.now() + seconds * 1000)
        return {
          headers: {
            'webhook-id': 'msg_1',
            'webhook-timestamp': String(Math.floor(time.getTime() / 1000)),
            'webhook-signature': version + new Webhook(key).sign('msg_1', time, body),
          },
          body,
        }
      }
      const good = signed(0)
      const messages = [
        ...[good, signed(-290), signed(290), signed(0, secret, 'v1,AAAA v2,BBBB v1,%%% ')],
        signed(0, other),
        { ...good, body: body.replace('complete', 'deleted') },
        { ...good, headers: { ...good.headers, 'webhook-id': 'msg_2' } },
        { ...good, headers: { ...good.headers, 'webhook-timestamp': `${good.headers['webhook-timestamp']}0` } },
        ...[signed(-310), signed(310)],
        { ...good, headers: { 'webhook-id': 'msg_1' } as unknown as typeof good.headers },
      ]
      const all = (outcome: unknown) => [outcome, outcome, outcome]
      const unsigned = expect.stringMatching(/^No signature/)
      const untimely = expect.stringMatching(/300 seconds/)
      const refused = [unsigned, unsigned, untimely, untimely, untimely, expect.stringMatching(/headers/)]
      expect(await runtime.run('verify', { messages, secrets: [secret!] })).toEqual(
        [...Array(4).fill(JSON.parse(body)), unsigned, ...refused].map(all),
      )
      expect(await runtime.run('verify', { messages: [good, signed(0, other)], secrets: [other!, secret!] })).toEqual(
        [JSON.parse(body), JSON.parse(body)].map(all),
      )
      expect(await runtime.run('verify', { messages: [good], secrets: ['whsec_'] })).toEqual([
        all({ name: 'TypeError', message: expect.stringContaining('whsec_') }),
      ])
    })

    test.runIf(name === 'Chromium')('a page that is loaded anew goes on with its upload', async () => {
      const { client, domain } = await domainWithKey()
      const { page } = (runtime as Page).browser
      silentAtBytes = 6 * mebibyte
      const file = { bytes: largeBytes, options: asLarge }
      const lost = runtime.run('upload', { client, file }).catch(() => {})
      const received = await eventually(async () => {
        const row = await worker.env.DB.prepare('SELECT id FROM uploaded_files WHERE domain_id = ?')
          .bind(domain.id)
          .first<{ id: string }>()
        const headers = { authorization: `Bearer ${client.key}` }
        const answer = await worker.call('GET', `/v1/uploads/${row?.id}/status`, { host: domain.host, headers })
        expect(answer.json().received?.bytes).toBeGreaterThanOrEqual(5 * mebibyte)
        return answer.json().received.bytes
      })
      silentAtBytes = Number.POSITIVE_INFINITY
      await page.reload()
      await lost
      const { upload } = await runtime.run('upload', { client, file })
      expect(upload).toMatchObject({ sha256: sha256(patternBytes(largeBytes)), protocol: 'tus' })
      expect(offsets).toEqual([0, expect.any(Number)])
      expect(offsets[1]).toBeGreaterThanOrEqual(received)
      expect(await holdings(worker, domain)).toMatchObject({ storedFiles: 1, rows: { complete: 1 }, openMultiparts: 0 })
    })
  })
}

describe('how long the client waits before it sends a request again', () => {
  const refusal = (status: number, code: ErrorCode, retryAfter: number | null = null) =>
    new StevedoreError({ type: '', title: '', status, code, detail: '', requestId: '' }, retryAfter)
  const connection = new ConnectionError('')

  test.each<[string, unknown, number, Repeatable, number | null]>([
    ['a first broken connection', connection, 1, 'always', 500],
    ['a fourth one', connection, 4, 'always', 4000],
    ['a twentieth one', connection, 20, 'always', 30_000],
    ['one that may have had its effect', connection, 1, 'when-undone', null],
    ['503', refusal(503, 'busy'), 1, 'always', 500],
    ['503 that says when', refusal(503, 'busy', 7), 1, 'always', 7000],
    ['503 that says much later', refusal(503, 'busy', 61), 1, 'always', null],
    ['503 that may have had its effect', refusal(503, 'unavailable'), 1, 'when-undone', null],
    ['429, which has done nothing', refusal(429, 'rate-limited', 2), 1, 'when-undone', 2000],
    ['a first request that still runs', refusal(409, 'idempotency-in-progress', 1), 1, 'always', 1000],
    ['another conflict', refusal(409, 'not-ready'), 1, 'always', null],
    ['500', refusal(500, 'internal'), 1, 'always', null],
    ['502 of a proxy', new UnexpectedAnswer('http://localhost', 502), 2, 'always', 1000],
    ['404 of another server', new UnexpectedAnswer('http://localhost', 404), 1, 'always', null],
    ['an error of its own', new TypeError(''), 1, 'always', null],
  ])('after %s', (_, error, tries, repeatable, leastMs) => {
    const delayMs = retryDelayMs(error, tries, repeatable)
    if (leastMs === null) return expect(delayMs).toBeNull()
    expect(delayMs).toBeGreaterThanOrEqual(leastMs)
    expect(delayMs).toBeLessThan(leastMs * 1.25)
  })
})

async function startStranger() {
  const server = createServer(({ method }, response) => {
    const headers = { 'access-control-allow-origin': '*', 'access-control-allow-headers': '*' }
    response.writeHead(method === 'OPTIONS' ? 204 : 404, { ...headers, 'access-control-allow-methods': '*' })
    response.end(method === 'OPTIONS' ? undefined : '<h1>Not found</h1>')
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

async function makeKey(domain: TestDomain): Promise<string> {
  const key = await worker.call('POST', `/v1/domains/${domain.slug}/keys`, {
    headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ scopes: ['upload', 'read', 'delete'] }),
  })
  expectStatus(key, 201)
  return key.json().key
}
