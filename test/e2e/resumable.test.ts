import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Upload, type UploadOptions } from 'tus-js-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startBareWorker } from '../support/e2e/bare-worker.ts'
import { noise } from '../support/e2e/bodies.ts'
import { expectStatus, holdings, makeDomain, nothingHeld, type TestDomain } from '../support/e2e/domains.ts'
import { eventually } from '../support/e2e/eventually.ts'
import { type LocalWorker, repository, startLocalWorker } from '../support/e2e/local-worker.ts'
import { curl, run } from '../support/e2e/programs.ts'
import { idOf, openCreation, ResumableUpload } from '../support/e2e/resumable.ts'
import { expectFile } from '../support/e2e/uploads.ts'
import { mebibyte, partBytes } from '../support/sizes.ts'

let worker: LocalWorker
let folder: string

beforeAll(async () => {
  worker = await startBareWorker()
  folder = await mkdtemp(join(tmpdir(), 'stevedore-resumable-'))
})

afterAll(async () => {
  await worker?.stop()
  await rm(folder, { recursive: true, force: true })
})

/** A file with these bytes, for a program to send. */
async function fileOf(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, bytes)
  return path
}

describe('curl', () => {
  const appendFields = (offset: number, isLast: boolean) =>
    ['Content-Type: application/partial-upload', `Upload-Offset: ${offset}`, `Upload-Complete: ?${Number(isLast)}`]
      .concat('Expect:')
      .flatMap((field) => ['-H', field])

  it('goes on where it was killed, as often as it takes', async () => {
    const domain = await makeDomain(worker)
    const bytes = noise(3 * partBytes + 12_345)
    const origin = `http://${domain.host}:${worker.port}`
    const begun = await curl('-X', 'POST', '-H', 'Upload-Complete: ?0', `${origin}/v1/resumable`)
    expect(begun.status).toBe(201)
    const url = begun.headers.location as string
    const upload = new ResumableUpload(worker, domain, idOf(url))

    let offset = 0
    for (const until of [100_000, partBytes + 1, 2 * partBytes + 70_000]) {
      const rest = await fileOf('rest', bytes.subarray(offset))
      const fields = [...appendFields(offset, true), '--limit-rate', '4M']
      const client = spawn('curl', ['-q', '-sS', '-X', 'PATCH', ...fields, '-T', rest, url], { stdio: 'ignore' })
      const ended = new Promise((resolve) => client.once('exit', resolve))
      await upload.untilReceived(until)
      client.kill('SIGKILL')
      await ended
      const state = await upload.state()
      expect(state.complete).toBe('?0')
      expect(state.offset).toBeGreaterThanOrEqual(until)
      offset = state.offset
    }
    const rest = await fileOf('rest', bytes.subarray(offset))
    const last = await curl('-X', 'PATCH', ...appendFields(offset, true), '-T', rest, url)
    expect(last.status, last.body.toString()).toBe(202)
    expect(last.headers['upload-complete']).toBe('?1')
    const head = await curl('-I', url)
    expect(head.headers).toMatchObject({ 'upload-complete': '?1', 'upload-offset': String(bytes.length) })
    await expectFile(worker, domain, upload.id, bytes)
  })

  it('does what docs/resumable.md says', async () => {
    const domain = await makeDomain(worker)
    const page = await readFile(join(repository, 'docs/resumable.md'), 'utf8')
    const recipe = /## By the IETF draft\n[\s\S]*?```sh\n([\s\S]*?)```/.exec(page)?.[1] as string
    const script = recipe.replaceAll('demo.localhost:8787', `${domain.host}:${worker.port}`)
    expect(script).not.toBe(recipe)
    const output = (await run('bash', ['-euc', `cd ${repository}\n${script}`])).toString()
    const id = /"id":"([^"]+)"/.exec(output)?.[1] as string
    await expectFile(worker, domain, id, await readFile(join(repository, 'samples/harbour.png')))
  })
})

describe('tus-js-client, in its way of speaking the draft', () => {
  function upload(domain: TestDomain, file: Buffer, options: Partial<UploadOptions>): Promise<string> {
    return new Promise((resolve, reject) => {
      const client = new Upload(file, {
        // Node can't resolve names below localhost: the apex host, with the domain in the query.
        endpoint: `http://127.0.0.1:${worker.port}/v1/resumable?domain=${domain.slug}`,
        retryDelays: null,
        onError: reject,
        onSuccess: () => resolve(idOf(client.url as string)),
        ...options,
      })
      client.start()
    })
  }

  it.each([
    ['-05, in one append', { protocol: 'ietf-draft-05' }],
    ['-05, in appends of 2 MiB', { protocol: 'ietf-draft-05', chunkSize: 2 * mebibyte }],
    ['-05, with its creation', { protocol: 'ietf-draft-05', uploadDataDuringCreation: true, chunkSize: 4 * mebibyte }],
    ['-05, all of it with its creation', { protocol: 'ietf-draft-05', uploadDataDuringCreation: true }],
    ['-03, in appends larger than a part', { protocol: 'ietf-draft-03', chunkSize: partBytes + 12_345 }],
    // Its types know tus alone.
  ] as unknown as [string, Partial<UploadOptions>][])('brings a file by %s', async (_name, options) => {
    const domain = await makeDomain(worker)
    const bytes = noise(2 * partBytes + 777)
    await expectFile(worker, domain, await upload(domain, bytes, options), bytes)
  })

  it('goes on where it was when it is stopped and started again', async () => {
    const domain = await makeDomain(worker)
    const bytes = noise(2 * partBytes)
    const draft = { protocol: 'ietf-draft-05', chunkSize: mebibyte } as unknown as Partial<UploadOptions>
    const url = await new Promise<string>((resolve, reject) => {
      const client = new Upload(bytes, {
        endpoint: `http://127.0.0.1:${worker.port}/v1/resumable?domain=${domain.slug}`,
        retryDelays: null,
        onError: reject,
        onChunkComplete: (_size, accepted) => {
          if (accepted >= 4 * mebibyte) client.abort().then(() => resolve(client.url as string), reject)
        },
        ...draft,
      })
      client.start()
    })
    let first: number | undefined
    const id = await upload(domain, bytes, {
      ...draft,
      uploadUrl: url,
      onProgress: (sent) => {
        first ??= sent
      },
    })
    expect(first).toBeGreaterThanOrEqual(4 * mebibyte)
    await expectFile(worker, domain, id, bytes)
  })
})

describe('a connection that is cut within the last append', () => {
  const cuts = [1, 70_000, partBytes, partBytes + 1]

  it.each(cuts.flatMap((cut) => (['FIN', 'RST'] as const).map((ending) => ({ cut, ending }))))(
    'keeps $cut bytes that had come, by $ending, and does not complete',
    async ({ cut, ending }) => {
      const domain = await makeDomain(worker)
      const bytes = noise(cut + 1000)
      const upload = await ResumableUpload.begin(worker, domain)
      const connection = await upload.open(0, bytes.length, true)
      await connection.send(bytes.subarray(0, cut))
      await upload.untilReceived(cut)
      if (ending === 'RST') connection.reset()
      else await connection.halfClose()
      expect(await upload.state()).toEqual({ offset: cut, complete: '?0' })
      expectStatus(await upload.append(cut, bytes.subarray(cut), true), 202)
      await expectFile(worker, domain, upload.id, bytes)
    },
  )

  it('nor does one that node:http gives up', async () => {
    const domain = await makeDomain(worker)
    const bytes = noise(partBytes + 70_000)
    const upload = await ResumableUpload.begin(worker, domain)
    const client = request({
      host: '127.0.0.1',
      port: worker.port,
      method: 'PATCH',
      path: `/v1/resumable/${upload.id}`,
      headers: {
        host: domain.host,
        'content-type': 'application/partial-upload',
        'content-length': bytes.length,
        'upload-offset': '0',
        'upload-complete': '?1',
      },
    })
    client.on('error', () => {})
    client.write(bytes.subarray(0, partBytes + 100))
    await upload.untilReceived(partBytes + 100)
    client.destroy()
    const { offset, complete } = await upload.state()
    expect({ offset, complete }).toEqual({ offset: partBytes + 100, complete: '?0' })
    expectStatus(await upload.append(offset, bytes.subarray(offset), true), 202)
    await expectFile(worker, domain, upload.id, bytes)
  })
})

describe('a connection that is cut within the last append, whose length nobody knew', () => {
  let served: LocalWorker

  beforeAll(async () => {
    served = await startLocalWorker()
  })

  afterAll(() => served?.stop())

  const ways = [
    { way: 'from the socket', workerOf: () => worker },
    // Both hand the body on.
    { way: 'behind wrangler’s proxy and the router of static assets', workerOf: () => served },
  ]
  const cuts = [
    { where: 'between two chunks', announced: 1000 },
    { where: 'within a chunk', announced: 1500 },
  ]

  it.each(
    ways.flatMap((way) => cuts.flatMap((cut) => (['FIN', 'RST'] as const).map((by) => ({ ...way, ...cut, by })))),
  )('does not complete: $way, $where, by $by', async ({ workerOf, announced, by }) => {
    const at = workerOf()
    const domain = await makeDomain(at)
    const bytes = noise(2000)
    const upload = await ResumableUpload.begin(at, domain)
    const connection = await upload.open(0, null, true)
    await connection.send(`${announced.toString(16)}\r\n`)
    await connection.send(bytes.subarray(0, 1000))
    if (announced === 1000) await connection.send('\r\n')
    await upload.untilReceived(1000)
    if (by === 'RST') connection.reset()
    else await connection.halfClose()
    // The session has seen it by itself: no newer request has ended the append.
    const ended = expect.objectContaining({ kind: 'append', upload_id: upload.id, code: 'body-incomplete' })
    await eventually(() => expect(at.logged('session-done')).toContainEqual(ended))
    expect(await upload.state()).toEqual({ offset: 1000, complete: '?0' })
    expectStatus(await upload.append(1000, bytes.subarray(1000), true), 202)
    await expectFile(at, domain, upload.id, bytes)
  })
})

describe('a creation whose body breaks off', () => {
  it.each([
    ['?0', 'FIN'],
    ['?0', 'RST'],
    ['?1', 'RST'],
  ] as const)('leaves nothing behind: %s by %s', async (isComplete, ending) => {
    const domain = await makeDomain(worker)
    const bytes = noise(partBytes + 5000)
    const connection = await openCreation(worker, domain, bytes.length, isComplete)
    await connection.send(bytes.subarray(0, partBytes + 100))
    await eventually(async () => expect((await holdings(worker, domain)).openMultiparts).toBe(1))
    if (ending === 'RST') connection.reset()
    else await connection.halfClose()
    await eventually(async () => expect(await holdings(worker, domain)).toEqual(nothingHeld))
  })
})
