import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { streamedEventSchema } from '../../src/routes/event-schemas.ts'
import { type RoughNetwork, startRoughNetwork, startStranger } from '../support/client/network.ts'
import { inChromium, inNode, inWorkerd, type Page, type Runtime } from '../support/client/runtimes.ts'
import { patternBytes } from '../support/client/scenarios.ts'
import { startBareWorker } from '../support/e2e/bare-worker.ts'
import { sha256 } from '../support/e2e/bodies.ts'
import { chromiumMissing } from '../support/e2e/chromium.ts'
import { expectStatus, holdings, makeDomain, nothingHeld, type TestDomain } from '../support/e2e/domains.ts'
import { eventually } from '../support/e2e/eventually.ts'
import { adminToken, type LocalWorker } from '../support/e2e/local-worker.ts'

if (chromiumMissing) console.warn(`Left out, the client in a browser: ${chromiumMissing}`)

const mebibyte = 1024 * 1024
/** More than a part of 5 MiB, so that a good deal of it is kept when it is cut. */
const largeBytes = 8 * mebibyte
const asLarge = { resumableAboveBytes: mebibyte }
/** Outside of browsers an append is 10 MiB: this takes two. */
const twoAppendsBytes = 12 * mebibyte

let worker: LocalWorker
let network: RoughNetwork
let stranger: { url: string; close(): void }

beforeAll(async () => {
  worker = await startBareWorker()
  network = await startRoughNetwork(worker.port)
  stranger = await startStranger()
})

afterEach(() => network.reset())

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
      return { domain, client: { url: network.url, key: await makeKey(domain), domain: domain.slug } }
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
      network.cutAtBytes = 6 * mebibyte
      const seen = await runtime.run('byToken', {
        client,
        file: { bytes: largeBytes, options: { ...asLarge, metadata: { a: 'é' } } },
      })
      expect(network.cuts).toBe(1)
      // Chromium sends a request again by itself when its connection has served before: that is not the client's doing.
      expect(network.offsets[0]).toBe(0)
      expect(network.offsets.at(-1)).toBeGreaterThan(0)
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
      network.silentAtBytes = silentAt
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
      network.cutStreamAtBytes = 800
      const { events, after } = await runtime.run('watchOne', { client })
      expect(network.cuts).toBe(1)
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
      const minting = await runtime.run('losingAnswers', { client, lost: ['broken'], mintsTokens: true })
      expect(minting.ids).toEqual([minting.ids[0], minting.ids[0]])
      expect(await holdings(worker, domain)).toMatchObject({ storedFiles: 2 })
      const tooOften = await runtime.run('losingAnswers', { client: { ...client, retries: 0 }, lost: [503] })
      expect(tooOften.outcome).toEqual({ name: 'UnexpectedAnswer', status: 503 })
      const never = await runtime.run('losingAnswers', { client, lost: [500] })
      expect(never.ids).toHaveLength(1)
    })

    test('a large file is not begun anew when it is not known for a moment how far it is', async () => {
      const { client, domain } = await domainWithKey()
      const { methods, outcome } = await runtime.run('brokenAppend', { client, status: 503 })
      expect(methods).toEqual(['POST', 'PATCH', 'HEAD', 'GET', 'HEAD', 'PATCH', 'GET'])
      expect(outcome).toMatchObject({ size: 4, protocol: 'tus' })
      expect(await holdings(worker, domain)).toMatchObject({ storedFiles: 1, openMultiparts: 0 })
    })

    test('a key that may not read is told that its large file is stored', async () => {
      const { client, domain } = await domainWithKey()
      const key = await makeKey(domain, ['upload'])
      const { error } = await runtime.run('upload', {
        client: { ...client, key },
        file: { text: 'abc', options: { resumableAboveBytes: 0 } },
      })
      expect(error).toMatchObject({ name: 'UploadUnreadable', cause: { code: 'forbidden', status: 403 } })
      const listed = await worker.call('GET', '/v1/uploads', {
        host: domain.host,
        headers: { authorization: `Bearer ${client.key}` },
      })
      expect(listed.json().uploads).toMatchObject([{ id: error?.id, size: 3 }])
    })

    /** The server has the last byte of a file, and the page is loaded anew before it hears of that. */
    async function reloadOnceTaken(client: { url: string; domain: string }, file: { text: string }) {
      const { page } = (runtime as Page).browser
      const isTaken = Promise.withResolvers<void>()
      await page.route('**/v1/tus/*', async (route) => {
        if (route.request().method() !== 'PATCH') return route.continue()
        await route.fetch()
        isTaken.resolve()
      })
      const lost = runtime.run('upload', { client, file }).catch(() => {})
      await isTaken.promise
      await page.unroute('**/v1/tus/*')
      await page.reload()
      await lost
    }

    test.runIf(name === 'Chromium')('a page that was loaded anew finds that its file was taken', async () => {
      const { client, domain } = await domainWithKey()
      const byToken = { url: client.url, domain: domain.slug, token: await makeToken(domain) }
      const file = { text: 'whole', options: { resumableAboveBytes: 0 } }
      await reloadOnceTaken(byToken, file)
      const { upload } = await runtime.run('upload', { client: byToken, file })
      expect(upload).toMatchObject({ size: 5, readToken: expect.any(String) })
      expect(await holdings(worker, domain)).toMatchObject({ storedFiles: 1, rows: { complete: 1 } })
    })

    test.runIf(name === 'Chromium')('a page does not take a Blob for another of its length', async () => {
      const { client } = await domainWithKey()
      const nameless = { isNameless: true, options: { resumableAboveBytes: 0 } }
      await reloadOnceTaken(client, { text: 'whole', ...nameless })
      const { upload } = await runtime.run('upload', { client, file: { text: 'other', ...nameless } })
      expect(upload).toMatchObject({ sha256: sha256(Buffer.from('other')) })
    })

    test.runIf(name === 'Chromium')('a page that is loaded anew goes on with its upload', async () => {
      const { client, domain } = await domainWithKey()
      const { page } = (runtime as Page).browser
      network.silentAtBytes = 6 * mebibyte
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
      network.silentAtBytes = Number.POSITIVE_INFINITY
      await page.reload()
      await lost
      const { upload } = await runtime.run('upload', { client, file })
      expect(upload).toMatchObject({ sha256: sha256(patternBytes(largeBytes)), protocol: 'tus' })
      expect(network.offsets).toEqual([0, expect.any(Number)])
      expect(network.offsets[1]).toBeGreaterThanOrEqual(received)
      expect(await holdings(worker, domain)).toMatchObject({ storedFiles: 1, rows: { complete: 1 }, openMultiparts: 0 })
    })
  })
}

async function makeKey(domain: TestDomain, scopes = ['upload', 'read', 'delete']): Promise<string> {
  const key = await worker.call('POST', `/v1/domains/${domain.slug}/keys`, {
    headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ scopes }),
  })
  expectStatus(key, 201)
  return key.json().key
}

async function makeToken(domain: TestDomain): Promise<string> {
  const token = await worker.call('POST', '/v1/upload-tokens', {
    host: domain.host,
    headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
    body: '{}',
  })
  expectStatus(token, 201)
  return token.json().token
}
