import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { formBody, multipartType, noise, sha256 } from '../support/e2e/bodies.ts'
import { expectStatus, holdings, makeDomain, nothingHeld, rowOf, type TestDomain } from '../support/e2e/domains.ts'
import { eventually } from '../support/e2e/eventually.ts'
import { type LocalWorker, startLocalWorker } from '../support/e2e/local-worker.ts'
import { curl } from '../support/e2e/programs.ts'
import { RawConnection } from '../support/e2e/raw-connection.ts'

const samples = join(import.meta.dirname, '../../samples')
const sampleTypes = new Map([
  ['handbook.pdf', 'application/pdf'],
  ['harbour.png', 'image/png'],
  ['crossing.mp4', 'video/mp4'],
])

let worker: LocalWorker
let acme: TestDomain
let left: TestDomain
let right: TestDomain
let folder: string

beforeAll(async () => {
  worker = await startLocalWorker()
  acme = await makeDomain(worker, {}, ['files.acme.test'])
  left = await makeDomain(worker)
  right = await makeDomain(worker)
  folder = await mkdtemp(join(tmpdir(), 'stevedore-uploads-'))
})

afterAll(async () => {
  await worker?.stop()
  await rm(folder, { recursive: true, force: true })
})

const apex = (target: string) => `http://localhost:${worker.port}${target}`
const at = (domain: TestDomain, target: string) => `http://${domain.host}:${worker.port}${target}`

/** Asks for the status with curl until it is a last one. */
function finalStatus(statusUrl: string) {
  return eventually(async () => {
    const answer = await curl(statusUrl)
    expectStatus(answer, 200)
    const status = answer.json()
    expect(['complete', 'failed', 'quarantined']).toContain(status.status)
    return status
  })
}

describe('a file sent with curl', () => {
  it.each([...sampleTypes])('%s goes in as a form, is processed, and comes out as it was', async (name, type) => {
    const original = await readFile(join(samples, name))
    const sent = await curl(
      '-F',
      `file=@${join(samples, name)}`,
      '-F',
      'metadata={"invoice":"4711"}',
      at(acme, '/v1/uploads'),
    )
    expectStatus(sent, 202)
    const [{ upload }] = sent.json().results
    expect(upload).toMatchObject({
      domain: acme.slug,
      filename: name,
      type,
      size: original.length,
      sha256: sha256(original),
      status: 'pending',
      // curl declares no type for .mp4 and .pdf on every system, and then octet-stream.
      metadata: { invoice: '4711' },
      protocol: 'multipart',
    })
    expect(sent.headers.location).toBe(upload.links.self)

    expect(await finalStatus(upload.links.status)).toMatchObject({ status: 'complete', failure: null, attempts: 1 })
    const back = await curl(upload.links.content)
    expectStatus(back, 200)
    expect(back.headers['content-type']).toBe(type)
    expect(back.body.equals(original)).toBe(true)
    const detail = (await curl(upload.links.self)).json()
    expect(detail.steps).toMatchObject([{ name: 'inspect', status: 'complete', result: { sha256: sha256(original) } }])
    expect((await rowOf(worker, upload.id)).events).toEqual(['pending', 'processing', 'complete'])
  })

  it('goes in as the body of a PUT by curl -T, large enough for several parts', async () => {
    const file = join(folder, 'large.bin')
    const original = noise(12 * 1024 * 1024 + 1)
    await writeFile(file, original)
    const sent = await curl('-T', file, at(acme, '/v1/uploads/'))
    expectStatus(sent, 202)
    const upload = sent.json()
    expect(upload).toMatchObject({
      filename: 'large.bin',
      size: original.length,
      sha256: sha256(original),
      protocol: 'raw',
    })

    expect(await finalStatus(sent.headers.location as string)).toMatchObject({ status: 'complete' })
    const back = await curl(upload.links.content)
    expect(back.body.equals(original)).toBe(true)
    expect(back.headers['repr-digest']).toBe(`sha-256=:${Buffer.from(upload.sha256, 'hex').toString('base64')}:`)
    expect(worker.r2.multiparts(`${upload.id}/${acme.id}`)).toMatchObject([{ state: 'completed', parts: 3 }])
    expect((await rowOf(worker, upload.id)).events).toEqual(['uploading', 'pending', 'processing', 'complete'])
  })

  it('goes in from a pipe, chunked and without a length', async () => {
    const original = noise(300_000, 7)
    const file = join(folder, 'piped.bin')
    await writeFile(file, original)
    const sent = await curl('-H', 'Transfer-Encoding: chunked', '-T', file, at(acme, '/v1/uploads/piped.bin'))
    expectStatus(sent, 202)
    expect(sent.json()).toMatchObject({ size: original.length, sha256: sha256(original) })
  })

  it('goes in with 50 others in one form, each with its own entry in the order sent', async () => {
    const names = Array.from({ length: 50 }, (_, index) => `page ${index} – ü.txt`)
    for (const name of names) await writeFile(join(folder, name), `This is ${name}.`)
    const parts = names.flatMap((name) => ['-F', `pages=@${join(folder, name)};type=text/plain`])
    const sent = await curl(...parts, at(acme, '/v1/uploads'))
    expectStatus(sent, 202)
    const uploads = sent.json().results.map((result: { upload: { filename: string } }) => result.upload)
    expect(uploads.map((upload: { filename: string }) => upload.filename)).toEqual(names)
    await Promise.all(
      uploads.slice(-3).map((upload: { links: { status: string } }) => finalStatus(upload.links.status)),
    )
  })
})

describe('the domain', () => {
  const file = () => join(samples, 'handbook.pdf')
  const slugOf = (answer: Awaited<ReturnType<typeof curl>>) => answer.json().results[0].upload.domain

  it('is found by the host below the apex, by a hostname of its own, and by either in any case', async () => {
    const named = ['--resolve', `files.acme.test:${worker.port}:127.0.0.1`]
    const own = await curl(...named, '-F', `f=@${file()}`, `http://files.acme.test:${worker.port}/v1/uploads`)
    expectStatus(own, 202)
    expect(slugOf(own)).toBe(acme.slug)
    expect(own.headers.location).toMatch(`http://files.acme.test:${worker.port}/v1/uploads/`)
    const upper = await curl('-H', 'Host: FILES.Acme.TEST.', '-F', `f=@${file()}`, apex('/v1/uploads'))
    expect(slugOf(upper)).toBe(acme.slug)
  })

  it.each([
    ['the X-Upload-Domain header', () => ['-H', `X-Upload-Domain: ${acme.slug}`, apex('/v1/uploads')]],
    ['its hostname in the header', () => ['-H', 'X-Upload-Domain: files.acme.test', apex('/v1/uploads')]],
    ['the query', () => [apex(`/v1/uploads?domain=${acme.slug}`)]],
    ['a field before the file', () => ['-F', `domain=${acme.slug}`, apex('/v1/uploads')]],
  ])('is named on the apex host by %s', async (_, args) => {
    const [target, ...before] = args().reverse()
    const sent = await curl(...before.reverse(), '-F', `f=@${file()}`, target as string)
    expectStatus(sent, 202)
    expect(slugOf(sent)).toBe(acme.slug)
    // The links work as they are, on the apex host too.
    expect(await finalStatus(sent.json().results[0].upload.links.status)).toMatchObject({ status: 'complete' })
  })

  it.each([
    ['nobody names it', 400, 'domain-required', () => [apex('/v1/uploads')]],
    ['the host names nobody', 404, 'domain-not-found', () => [`http://nobody.localhost:${worker.port}/v1/uploads`]],
    ['the header names nobody', 404, 'domain-not-found', () => [apex('/v1/uploads'), '-H', 'X-Upload-Domain: nobody']],
    [
      'host and header differ',
      409,
      'domain-conflict',
      () => [at(left, '/v1/uploads'), '-H', `X-Upload-Domain: ${right.slug}`],
    ],
    [
      'header and query differ',
      409,
      'domain-conflict',
      () => [apex(`/v1/uploads?domain=${right.slug}`), '-H', `X-Upload-Domain: ${left.slug}`],
    ],
    ['host and field differ', 409, 'domain-conflict', () => [at(left, '/v1/uploads'), '-F', `domain=${right.slug}`]],
  ])('is refused, and nothing kept, when %s', async (_, status, code, args) => {
    const refused = await curl(...args(), '-F', `f=@${file()}`)
    expectStatus(refused, status)
    expect(refused.json()).toMatchObject({ code, status })
    expect(refused.headers['content-type']).toBe('application/problem+json')
    expect(await holdings(worker, left)).toEqual(nothingHeld)
    expect(await holdings(worker, right)).toEqual(nothingHeld)
  })
})

describe('what a client may ask of the protocol', () => {
  it('answers Expect: 100-continue by reading on', async () => {
    const connection = await RawConnection.open(worker.port)
    const content = noise(100_000)
    await connection.sendHead('PUT', '/v1/uploads/expected.bin', {
      Host: acme.host,
      'Content-Length': content.length,
      Expect: '100-continue',
    })
    await connection.send(content)
    const answer = await connection.answer()
    expectStatus(answer, 202)
    expect(answer.json()).toMatchObject({ size: content.length, sha256: sha256(content) })
    connection.close()
    expectStatus(
      await curl('-H', 'Expect: 100-continue', '-F', `f=@${join(samples, 'harbour.png')}`, at(acme, '/v1/uploads')),
      202,
    )
  })

  it('serves HEAD, ranges, resumption and conditions to curl', async () => {
    const original = await readFile(join(samples, 'harbour.png'))
    const { upload } = (await curl('-F', `f=@${join(samples, 'harbour.png')}`, at(acme, '/v1/uploads'))).json()
      .results[0]
    await finalStatus(upload.links.status)
    const head = await curl('--head', upload.links.content)
    expectStatus(head, 200)
    expect(head.headers).toMatchObject({
      'content-length': String(original.length),
      'accept-ranges': 'bytes',
      etag: `"${upload.sha256}"`,
      'x-content-type-options': 'nosniff',
    })

    const range = await curl('-r', '1000-1999', upload.links.content)
    expectStatus(range, 206)
    expect(range.headers['content-range']).toBe(`bytes 1000-1999/${original.length}`)
    expect(range.body.equals(original.subarray(1000, 2000))).toBe(true)
    expect((await curl('-r', '-500', upload.links.content)).body.equals(original.subarray(-500))).toBe(true)
    const beyond = await curl('-r', `${original.length}-`, upload.links.content)
    expectStatus(beyond, 416)

    // As `curl -C -` goes on with a download that broke off.
    const half = join(folder, 'half.png')
    await writeFile(half, original.subarray(0, 300_000))
    expectStatus(await curl('-C', '-', '-o', half, upload.links.content), 206)
    expect((await readFile(half)).equals(original)).toBe(true)
    expectStatus(await curl('-H', `If-None-Match: "${upload.sha256}"`, upload.links.content), 304)
  })

  it('takes the digest of a whole form, and of one of its parts', async () => {
    const digest = (bytes: Uint8Array) => `sha-256=:${Buffer.from(sha256(bytes), 'hex').toString('base64')}:`
    const content = noise(70_000)
    const body = formBody([
      { name: 'f', filename: 'digest.bin', content, headers: [`Content-Digest: ${digest(content)}`] },
    ])
    const headers = { 'content-type': multipartType, 'content-digest': digest(body) }
    expectStatus(await worker.call('POST', '/v1/uploads', { host: acme.host, headers, body }), 202)
    const wrong = { ...headers, 'content-digest': digest(content) }
    const refused = await worker.call('POST', '/v1/uploads', { host: acme.host, headers: wrong, body })
    expectStatus(refused, 422)
    expect(refused.json().code).toBe('digest-mismatch')
  })
})
