import { Readable } from 'node:stream'
import { Upload, type UploadOptions } from 'tus-js-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startBareWorker } from '../support/e2e/bare-worker.ts'
import { noise } from '../support/e2e/bodies.ts'
import { expectStatus, holdings, makeDomain, nothingHeld, type TestDomain } from '../support/e2e/domains.ts'
import { eventually } from '../support/e2e/eventually.ts'
import type { LocalWorker } from '../support/e2e/local-worker.ts'
import { TusUpload } from '../support/e2e/tus.ts'
import { expectFile } from '../support/e2e/uploads.ts'
import { mebibyte, partBytes } from '../support/sizes.ts'

let worker: LocalWorker

beforeAll(async () => {
  worker = await startBareWorker()
})

afterAll(() => worker?.stop())

describe('tus-js-client', () => {
  /** Uploads with the client as it is, and gives back the id of what came of it. */
  function upload(domain: TestDomain, file: Buffer | Readable, options: Partial<UploadOptions> = {}): Promise<string> {
    return new Promise((resolve, reject) => {
      const client = new Upload(file, {
        // Node can't resolve names below localhost: the apex host, with the domain in the metadata.
        endpoint: `http://127.0.0.1:${worker.port}/v1/tus`,
        metadata: { domain: domain.slug, filename: 'crane.bin', dock: 'Nørresundby 7' },
        retryDelays: null,
        onError: reject,
        onSuccess: () => resolve(new URL(client.url as string).pathname.split('/').at(-1) as string),
        ...options,
      })
      client.start()
    })
  }

  it.each([
    ['in one append', {}],
    ['in appends that are larger than a part', { chunkSize: partBytes + 12_345 }],
    ['with its creation, in pieces', { uploadDataDuringCreation: true, chunkSize: 3 * mebibyte }],
    ['by POST alone', { overridePatchMethod: true, chunkSize: 2 * mebibyte }],
  ] satisfies [string, Partial<UploadOptions>][])('brings a file %s', async (_name, options) => {
    const domain = await makeDomain(worker)
    const bytes = noise(2 * partBytes + 777)
    const file = await expectFile(worker, domain, await upload(domain, bytes, options), bytes)
    expect(file).toMatchObject({ filename: 'crane.bin', protocol: 'tus', metadata: { dock: 'Nørresundby 7' } })
  })

  it('brings a stream whose length it does not know', async () => {
    const domain = await makeDomain(worker)
    const bytes = noise(partBytes + 4 * mebibyte)
    const stream = Readable.from([
      bytes.subarray(0, 100),
      bytes.subarray(100, 3 * mebibyte),
      bytes.subarray(3 * mebibyte),
    ])
    const options = { uploadLengthDeferred: true, chunkSize: 2 * mebibyte }
    await expectFile(worker, domain, await upload(domain, stream, options), bytes)
  })

  it('brings a file of no bytes', async () => {
    const domain = await makeDomain(worker)
    await expectFile(worker, domain, await upload(domain, Buffer.alloc(0)), Buffer.alloc(0))
  })

  it.each([
    ['small', 3 * mebibyte + 1],
    ['more than an answer waits for', 66 * mebibyte + 7],
  ])('brings a file in parallel pieces: %s', async (_name, size) => {
    const domain = await makeDomain(worker, { maxFileBytes: 100 * mebibyte, maxRequestBytes: 100 * mebibyte })
    const bytes = noise(size)
    const id = await upload(domain, bytes, {
      parallelUploads: 3,
      metadataForPartialUploads: { domain: domain.slug },
    })
    const file = await expectFile(worker, domain, id, bytes)
    expect(file).toMatchObject({ filename: 'crane.bin', metadata: { dock: 'Nørresundby 7' } })
    expect(await holdings(worker, domain)).toMatchObject({ storedFiles: 1, storedBytes: size, objects: 1 })
  })

  it('goes on where it was when it is stopped and started again', async () => {
    const domain = await makeDomain(worker)
    const bytes = noise(3 * partBytes)
    const url = await new Promise<string>((resolve, reject) => {
      const client = new Upload(bytes, {
        endpoint: `http://127.0.0.1:${worker.port}/v1/tus`,
        metadata: { domain: domain.slug },
        chunkSize: mebibyte,
        retryDelays: null,
        onError: reject,
        onChunkComplete: (_size, accepted) => {
          if (accepted >= 4 * mebibyte) client.abort().then(() => resolve(client.url as string), reject)
        },
      })
      client.start()
    })
    let first: number | undefined
    const id = await upload(domain, bytes, {
      uploadUrl: url,
      onProgress: (sent) => {
        first ??= sent
      },
    })
    expect(first).toBeGreaterThanOrEqual(4 * mebibyte)
    await expectFile(worker, domain, id, bytes)
  })

  it('ends an upload for good', async () => {
    const domain = await makeDomain(worker)
    await new Promise<void>((resolve, reject) => {
      const client = new Upload(noise(2 * partBytes), {
        endpoint: `http://127.0.0.1:${worker.port}/v1/tus`,
        metadata: { domain: domain.slug },
        chunkSize: mebibyte,
        retryDelays: null,
        onError: reject,
        onChunkComplete: () => client.abort(true).then(resolve, reject),
      })
      client.start()
    })
    await eventually(async () => expect(await holdings(worker, domain)).toEqual(nothingHeld))
  })
})

describe('a connection that is cut within an append', () => {
  const cuts = [1, 70_000, partBytes - 1, partBytes, partBytes + 1, 2 * partBytes + 999]

  it.each(cuts.flatMap((cut) => (['FIN', 'RST'] as const).map((ending) => ({ cut, ending }))))(
    'keeps $cut bytes that had come, by $ending',
    async ({ cut, ending }) => {
      const domain = await makeDomain(worker)
      const bytes = noise(cut + 1000)
      const upload = await TusUpload.create(worker, domain, bytes.length)
      const connection = await upload.open(0, bytes.length)
      await connection.send(bytes.subarray(0, cut))
      await upload.untilReceived(cut)
      if (ending === 'RST') connection.reset()
      else await connection.halfClose()
      expect(await upload.offset()).toBe(cut)
      expectStatus(await upload.patch(cut, bytes.subarray(cut)), 204)
      await expectFile(worker, domain, upload.id, bytes)
    },
  )

  it('keeps what came of a body whose length nobody knew', async () => {
    const domain = await makeDomain(worker)
    const bytes = noise(2000)
    const upload = await TusUpload.create(worker, domain, bytes.length)
    const connection = await upload.open(0, null)
    await connection.send(`${(1000).toString(16)}\r\n`)
    await connection.send(bytes.subarray(0, 777))
    await upload.untilReceived(777)
    connection.reset()
    expect(await upload.offset()).toBe(777)
    expectStatus(await upload.patch(777, bytes.subarray(777)), 204)
    await expectFile(worker, domain, upload.id, bytes)
  })
})

describe('a request for an upload to which another one still appends', () => {
  const bytes = noise(partBytes + 5000)

  /** An append that has brought 4,000 bytes, and has more to bring. */
  async function appending() {
    const domain = await makeDomain(worker)
    const upload = await TusUpload.create(worker, domain, bytes.length)
    const connection = await upload.open(0, bytes.length)
    await connection.send(bytes.subarray(0, 4000))
    await upload.untilReceived(4000)
    return { domain, upload, connection }
  }

  /** The append that was taken over is told so, once its client has stopped sending or has sent it all. */
  async function expectSuperseded(connection: Awaited<ReturnType<typeof appending>>['connection']) {
    await connection.send(bytes.subarray(4000))
    const answer = await connection.answer()
    expectStatus(answer, 409)
    expect(answer.json().code).toBe('append-superseded')
    connection.close()
  }

  it('HEAD takes over, and tells an offset that stands', async () => {
    const { domain, upload, connection } = await appending()
    expect(await upload.offset()).toBe(4000)
    await expectSuperseded(connection)
    expect(await upload.offset()).toBe(4000)
    expectStatus(await upload.patch(4000, bytes.subarray(4000)), 204)
    await expectFile(worker, domain, upload.id, bytes)
  })

  it('PATCH takes over', async () => {
    const { domain, upload, connection } = await appending()
    expectStatus(await upload.patch(4000, bytes.subarray(4000)), 204)
    await expectSuperseded(connection)
    await expectFile(worker, domain, upload.id, bytes)
  })

  it('DELETE takes over, and leaves nothing', async () => {
    const { domain, upload, connection } = await appending()
    expectStatus(await upload.terminate(), 204)
    await expectSuperseded(connection)
    expect(await holdings(worker, domain)).toEqual(nothingHeld)
  })

  it('the status call disturbs nothing', async () => {
    const { domain, upload, connection } = await appending()
    for (let asked = 0; asked < 3; asked++) {
      expect(await upload.status()).toMatchObject({ status: 'uploading', received: { bytes: 4000, percent: 0 } })
    }
    await connection.send(bytes.subarray(4000))
    expectStatus(await connection.answer(), 204)
    connection.close()
    await expectFile(worker, domain, upload.id, bytes)
  })
})
