import { env } from 'cloudflare:workers'
import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Job } from '../../src/core/job.ts'
import { stripJpegMetadata } from '../../src/images/strip-jpeg-metadata.ts'
import { processUpload } from '../../src/services/process-upload.ts'
import {
  adminToken,
  call,
  completeUpload,
  execute,
  expectProblem,
  expectStatus,
  jobsDone,
  makeDomain,
  objectKeys,
  type TestDomain,
  upload,
  waitForStatus,
} from '../support/workers/client.ts'
import { appWith, depsWith, HeldQueue, overriding } from '../support/workers/faults.ts'
import { photograph, pictureOf, secrets } from '../support/workers/pictures.ts'
import * as samples from '../support/workers/samples.ts'
import { makeLink } from '../support/workers/tokens.ts'

vi.setConfig({ testTimeout: 30_000 })

const asAdmin = { key: adminToken }
const json = { 'content-type': 'application/json' }
const queue = new HeldQueue()
/** The interface with a queue that delivers when the test says so. */
const send = appWith({ deps: () => ({ queue }) })
beforeEach(() => void queue.take())

const imageStep = (variants: object, options: object = {}) => ({ step: 'image', options: { variants, ...options } })
const makePictures = (variants: object, options?: object) => makeDomain({ steps: [imageStep(variants, options)] })
const show = async (domain: TestDomain, id: string) =>
  (await call('GET', `${domain.origin}/v1/uploads/${id}`, asAdmin)).json
const get = (domain: TestDomain, id: string, name: string, options = {}) =>
  call('GET', `${domain.origin}/v1/uploads/${id}/variants/${name}`, options)
const ownKeys = async (id: string) => (await objectKeys()).filter((key) => key.startsWith(id))

/** Stores a file and gives its job. */
async function stored(domain: TestDomain, content: Uint8Array): Promise<Job> {
  await upload(domain, content, 'a', { send })
  return queue.take()[0]!
}

/** Delivers a job to a worker with these bindings in place of its own. */
function work(job: Job, bindings: { IMAGES?: unknown } = {}, now = Date.now) {
  const deps = depsWith({ env: bindings })
  return processUpload(job, { ...deps, ...deps.places[0]!, queue, maxRunning: null, now, random: () => 0.5 })
}

/** The binding, of which every picture that it makes is what `output` says. */
function imagesThat(output: (make: () => Promise<ImageTransformationResult>) => Promise<unknown>): ImagesBinding {
  return overriding(env.IMAGES, {
    input: (stream) => {
      const transformer = env.IMAGES.input(stream)
      return overriding(transformer, {
        transform: (transform) => {
          const transformed = transformer.transform(transform)
          return overriding(transformed, {
            output: (options) => output(() => transformed.output(options)) as Promise<ImageTransformationResult>,
          })
        },
      })
    },
  })
}

describe('variants', () => {
  test('are made as the policy says, listed and served', async () => {
    const domain = await makePictures({
      small: { width: 60 },
      square: { width: 64, height: 64, fit: 'cover', format: 'jpeg', quality: 40 },
      tall: { height: 30, format: 'png' },
      wide: { width: 90, height: 80, format: 'avif' },
      big: { width: 900 },
      enlarged: { width: 900, fit: 'contain' },
    })
    const made = await completeUpload(domain, samples.png(300, 200), 'harbour view.png')
    const expected = {
      big: { type: 'image/webp', width: 300, height: 200 },
      enlarged: { type: 'image/webp', width: 900, height: 600 },
      small: { type: 'image/webp', width: 60, height: 40 },
      square: { type: 'image/jpeg', width: 64, height: 64 },
      tall: { type: 'image/png', width: 45, height: 30 },
      wide: { type: 'image/avif', width: 90, height: 60 },
    }
    expect(made.variants.map(({ name }: { name: string }) => name)).toEqual(Object.keys(expected))
    expect(made.steps).toMatchObject([{ name: 'image', status: 'complete', result: { variants: expected } }])
    for (const variant of made.variants) {
      const { type, ...size } = expected[variant.name as keyof typeof expected]
      const url = `${domain.origin}/v1/uploads/${made.id}/variants/${variant.name}`
      const answer = await call('GET', variant.url)
      expectStatus(answer, 200)
      const extension = type.replace('image/', '').replace('jpeg', 'jpg')
      expect(variant).toEqual({ name: variant.name, type, ...size, size: answer.bytes.length, url })
      expect(pictureOf(answer.bytes)).toEqual({ type: extension, ...size })
      expect(Object.fromEntries(answer.headers)).toMatchObject({
        'content-type': type,
        'content-length': String(answer.bytes.length),
        'content-disposition': `inline; filename="harbour view-${variant.name}.${extension}"`,
        'x-content-type-options': 'nosniff',
        'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        'cache-control': 'public, no-cache, no-transform',
        etag: `"${createHash('sha256').update(answer.bytes).digest('hex')}"`,
      })
    }
  })

  test('are asked for with conditions, by range, and without their bytes', async () => {
    const domain = await makePictures({ thumb: { width: 20 } })
    const { id } = await completeUpload(domain, samples.png(40, 30))
    const whole = await get(domain, id, 'thumb')
    const etag = whole.headers.get('etag')!
    expectStatus(await get(domain, id, 'thumb', { headers: { 'if-none-match': etag } }), 304)
    const part = await get(domain, id, 'thumb', { headers: { range: 'bytes=4-9' } })
    expectStatus(part, 206)
    expect(part.bytes).toEqual(whole.bytes.slice(4, 10))
    const head = await call('HEAD', `${domain.origin}/v1/uploads/${id}/variants/thumb`)
    expect([head.status, head.text, head.headers.get('content-length')]).toEqual([200, '', String(whole.bytes.length)])
    expectProblem(await get(domain, id, 'thumb', { headers: { 'if-match': '"x"' } }), 412, 'precondition-failed')
    expectProblem(await get(domain, id, 'thumb', { headers: { range: 'bytes=99999-' } }), 416, 'range-not-satisfiable')
    for (const name of ['other', '..', 'constructor', 'THUMB', '%00', 'thumb%2f']) {
      const status = (await get(domain, id, name)).status
      expect([400, 404], name).toContain(status)
    }
  })

  test('are served by a download link, to be saved where the link says so', async () => {
    const domain = await makePictures({ thumb: { width: 20 } })
    const { id } = await completeUpload(domain, samples.png(40, 30), 'a.png')
    for (const [wanted, type] of [
      [{}, 'inline'],
      [{ filename: 'b.png' }, 'attachment'],
    ] as const) {
      const link = new URL(await makeLink(domain, id, wanted))
      const answer = await get(domain, id, `thumb${link.search}`)
      expectStatus(answer, 200)
      expect(answer.headers.get('content-disposition')).toBe(`${type}; filename=a-thumb.webp`)
      expect(answer.headers.get('cache-control')).toMatch(/^private/)
    }
  })

  test.each([
    ['JPEG', samples.jpeg, [8, 6]],
    ['WebP', samples.webp, [8, 6]],
    ['GIF', samples.gif, [3, 2]],
    ['a picture of 24 megapixels', samples.png(6000, 4000), [300, 200]],
  ])('are made of %s', async (_name, content, [width, height]) => {
    const domain = await makePictures({ thumb: { width: 300 } })
    const { variants } = await completeUpload(domain, content)
    expect(variants).toMatchObject([{ width, height, type: 'image/webp' }])
  })

  test('are made of an AVIF', async () => {
    const first = await makePictures({ thumb: { width: 16, format: 'avif' } })
    const { id } = await completeUpload(first, samples.png(32, 24))
    const avif = (await get(first, id, 'thumb')).bytes
    const { variants } = await completeUpload(await makePictures({ thumb: { width: 8 } }), avif)
    expect(variants).toMatchObject([{ width: 8, height: 6 }])
  })

  test('hold nothing of the metadata, and are turned as it says', async () => {
    const content = photograph()
    for (const secret of secrets) expect(content.includes(secret)).toBe(true)
    const formats = ['webp', 'jpeg', 'png', 'avif']
    const domain = await makePictures(Object.fromEntries(formats.map((format) => [format, { width: 6, format }])))
    const { id, variants } = await completeUpload(domain, content)
    expect(variants).toHaveLength(4)
    for (const { name, width, height } of variants) {
      const { bytes } = await get(domain, id, name)
      for (const secret of [...secrets, 'Exif\0\0', 'xmpmeta']) expect(Buffer.from(bytes).includes(secret)).toBe(false)
      expect([width, height]).toEqual([6, 8])
    }
  })

  test('are made anew by reprocessing, and what they were is gone', async () => {
    const domain = await makePictures({ thumb: { width: 20 }, old: { width: 10 } })
    const job = await stored(domain, samples.png(40, 30))
    expect(await work(job)).toBe('complete')
    const before = await ownKeys(job.id)
    expect(before).toHaveLength(3)
    const steps = [imageStep({ thumb: { width: 30 } })]
    const url = `http://localhost/v1/domains/${domain.slug}`
    expectStatus(
      await call('PATCH', url, { ...asAdmin, headers: json, body: JSON.stringify({ policy: { steps } }) }),
      200,
    )
    expectStatus(await call('POST', `${domain.origin}/v1/uploads/${job.id}/reprocess`, { ...asAdmin, send }), 202)
    // Meanwhile nothing is served, and nothing is listed.
    expectProblem(await get(domain, job.id, 'thumb'), 409, 'not-ready')
    expect((await show(domain, job.id)).variants).toEqual([])
    expect(await work(queue.take()[0]!)).toBe('complete')
    expect((await show(domain, job.id)).variants).toMatchObject([{ name: 'thumb', width: 30 }])
    expectProblem(await get(domain, job.id, 'old'), 404, 'variant-not-found')
    const after = await ownKeys(job.id)
    expect(after).toHaveLength(2)
    expect(after.filter((key) => before.includes(key))).toEqual([`${job.id}/${domain.id}`])
  })

  test('are removed with their file', async () => {
    const domain = await makePictures({ thumb: { width: 20 } })
    const { id } = await completeUpload(domain, samples.png(40, 30))
    expect(await ownKeys(id)).toHaveLength(2)
    expectStatus(await call('DELETE', `${domain.origin}/v1/uploads/${id}`, { ...asAdmin, send }), 204)
    expect(await ownKeys(id)).toEqual([])
    expectProblem(await get(domain, id, 'thumb'), 410, 'upload-deleted')
  })

  test('whose object is gone are not found', async () => {
    const domain = await makePictures({ thumb: { width: 20 } })
    const { id } = await completeUpload(domain, samples.png(40, 30))
    await env.BUCKET.delete(await ownKeys(id))
    expectProblem(await get(domain, id, 'thumb'), 404, 'variant-not-found')
  })
})

describe('a picture of which no variant can be made', () => {
  const cut = samples.png(300, 200).subarray(0, 100)
  const junk = Buffer.concat([samples.png(30, 20).subarray(0, 40), Buffer.alloc(5000, 1)])
  /** The header of a picture of this size, and no picture behind it. */
  const header = (width: number, height: number) => {
    const head = Buffer.from(samples.png(1, 1))
    head.writeUInt32BE(width, 16)
    head.writeUInt32BE(height, 20)
    return head
  }
  /** A drawing is text, and a drawing only where somebody says so. */
  const declared = (content: Uint8Array) =>
    content === samples.svg ? { headers: { 'content-type': 'image/svg+xml' } } : {}
  const cases: [name: string, content: Uint8Array, code: string][] = [
    ['broke off', cut, 'picture-unreadable'],
    ['has nonsense where its pixels should be', junk, 'picture-unreadable'],
    ['ends in its header', samples.png(3, 2).subarray(0, 20), 'picture-unreadable'],
    ['is a drawing', samples.svg, 'type-unsupported'],
    ['is a bitmap', bmp(), 'type-unsupported'],
    ['would have 2,500 megapixels', header(50_000, 50_000), 'picture-too-large'],
    ['would have 101 megapixels', header(10_100, 10_000), 'picture-too-large'],
    ['has a side that is too long', header(12_001, 10), 'picture-too-large'],
  ]

  test.each(cases)('is complete without, and says why: it %s', async (_name, content, code) => {
    const domain = await makePictures({ small: { width: 5 }, large: { width: 500, format: 'jpeg' } })
    const { id, steps, variants } = await completeUpload(domain, content, 'a', declared(content))
    const problem = { code, detail: expect.stringMatching(/\.$/) }
    expect(steps).toMatchObject([
      { status: 'complete', result: { variants: { small: { problem }, large: { problem } } } },
    ])
    expect(variants).toEqual([])
    expectProblem(await get(domain, id, 'small'), 404, 'variant-not-found')
    expect((await call('GET', `${domain.origin}/v1/uploads/${id}/content`)).bytes).toEqual(Uint8Array.from(content))
  })

  test.each(cases)('fails where variants are required: it %s', async (_name, content, code) => {
    const domain = await makePictures({ small: { width: 5 } }, { required: true })
    const { id } = await upload(domain, content, 'a', declared(content))
    const failed = await waitForStatus(domain, id, 'failed')
    expect(failed).toMatchObject({ attempts: 1, failure: { code, detail: expect.stringContaining('"small"') } })
  })

  test.each([
    ['50,000 × 50,000 pixels', header(50_000, 50_000), null],
    ['more than 100 MB', samples.png(4, 3), 100_000_001],
  ])('is not decoded when it has %s', async (_name, content, size) => {
    const domain = await makePictures({ small: { width: 5 } })
    const job = await stored(domain, content)
    if (size) await execute('UPDATE uploaded_files SET size = ? WHERE id = ?', size, job.id)
    const input = vi.fn()
    expect(await work(job, { IMAGES: overriding(env.IMAGES, { input }) })).toBe('complete')
    expect(input).not.toHaveBeenCalled()
    const { steps } = await show(domain, job.id)
    expect(steps[0].result.variants.small.problem.code).toBe('picture-too-large')
  })

  test('is passed by when it is no picture at all', async () => {
    const domain = await makePictures({ small: { width: 5 } }, { required: true })
    expect(await completeUpload(domain, samples.pdf)).toMatchObject({ status: 'complete', steps: [], variants: [] })
  })
})

describe('Cloudflare Images', () => {
  const down = imagesThat(() => Promise.reject(new Error('9523: internal')))

  test('that is down uses up an attempt, and what is good is not called damaged', async () => {
    const domain = await makePictures({ thumb: { width: 20 } })
    const job = await stored(domain, samples.png(40, 30))
    expect(await work(job, { IMAGES: down })).toBe('retry')
    expect(await show(domain, job.id)).toMatchObject({ status: 'pending', attempts: 1, variants: [] })
    expect(await work(job, {}, () => Date.now() + 60_000)).toBe('complete')
    expect((await show(domain, job.id)).variants).toHaveLength(1)
  })

  test('that fails once is asked again at once', async () => {
    let calls = 0
    const flaky = imagesThat((make) => (++calls === 1 ? Promise.reject(new Error('9523')) : make()))
    const domain = await makePictures({ thumb: { width: 20 } })
    const job = await stored(domain, samples.png(40, 30))
    expect(await work(job, { IMAGES: flaky })).toBe('complete')
    expect((await show(domain, job.id)).variants).toHaveLength(1)
  })

  test('that makes more than memory has room for is cut short', async () => {
    let sent = 0
    const endless = new ReadableStream({
      pull(controller) {
        sent += 1024 * 1024
        controller.enqueue(new Uint8Array(1024 * 1024))
      },
    })
    const domain = await makePictures({ thumb: { width: 20 } })
    const job = await stored(domain, samples.png(40, 30))
    expect(await work(job, { IMAGES: imagesThat(async () => ({ image: () => endless })) })).toBe('complete')
    const { steps } = await show(domain, job.id)
    expect(steps[0].result.variants.thumb.problem.code).toBe('variant-too-large')
    expect(sent).toBeLessThan(20 * 1024 * 1024)
  })

  test.each([
    ['another format that is one of ours', samples.png(7, 5), 'complete'],
    ['something that a browser might run', samples.svg, 'retry'],
    ['nothing', new Uint8Array(0), 'retry'],
  ])('that gives %s is not believed', async (_name, bytes, outcome) => {
    const domain = await makePictures({ thumb: { width: 20, format: 'avif' } })
    const job = await stored(domain, samples.png(40, 30))
    const IMAGES = imagesThat(async () => ({ image: () => new Response(bytes).body }))
    expect(await work(job, { IMAGES })).toBe(outcome)
    const { variants } = await show(domain, job.id)
    expect(variants).toMatchObject(outcome === 'complete' ? [{ type: 'image/png', width: 7, height: 5 }] : [])
  })

  test('that is not bound keeps a policy from asking for variants, and a file from being complete without them', async () => {
    const without = appWith({ env: { IMAGES: undefined } })
    const body = JSON.stringify({ slug: 'no-pictures', policy: { steps: [imageStep({ a: { width: 1 } })] } })
    const answer = await call('POST', 'http://localhost/v1/domains', { ...asAdmin, headers: json, body, send: without })
    const problem = expectProblem(answer, 400, 'request-invalid')
    expect(problem.problems).toMatchObject([
      { at: 'json.policy.steps.0.step', message: expect.stringMatching(/IMAGES/) },
    ])
    const domain = await makePictures({ thumb: { width: 20 } })
    const job = await stored(domain, samples.png(40, 30))
    expect(await work(job, { IMAGES: undefined })).toBe('retry')
  })
})

describe('the options of the step', () => {
  test('may not name a variant that another step of the policy makes', async () => {
    const change = (slug: string, steps: object[]) =>
      call('PATCH', `http://localhost/v1/domains/${slug}`, {
        ...asAdmin,
        headers: json,
        body: JSON.stringify({ policy: { steps } }),
      })
    const { slug } = await makePictures({ thumb: { width: 20 }, page: { width: 90 } })
    const avatars = (name: string) => ({ ...imageStep({ [name]: { width: 30 } }), as: 'avatars' })
    const first = imageStep({ thumb: { width: 20 }, page: { width: 90 } })
    const { problems } = expectProblem(await change(slug, [first, avatars('page')]), 400, 'request-invalid')
    expect(problems).toEqual([
      {
        at: 'json.policy.steps.1.options',
        message: 'names the variant "page", which the step "image" makes already: give it another name',
      },
    ])
    expectStatus(await change(slug, [first, avatars('face')]), 200)
  })

  const many = Object.fromEntries(Array.from({ length: 11 }, (_, index) => [`v${index}`, { width: 1 }]))
  test.each([
    ['no variants', undefined, 'variants'],
    ['an empty list', { variants: {} }, 'variants'],
    ['eleven variants', { variants: many }, 'variants'],
    ['a name that is none', { variants: { 'A b': { width: 1 } } }, 'variants.A b'],
    ['neither width nor height', { variants: { a: {} } }, 'variants.a'],
    ['a fit that needs both', { variants: { a: { width: 1, fit: 'cover' } } }, 'variants.a'],
    ['no pixels', { variants: { a: { width: 0 } } }, 'variants.a.width'],
    ['half a pixel', { variants: { a: { width: 1.5 } } }, 'variants.a.width'],
    ['too many pixels', { variants: { a: { height: 4097 } } }, 'variants.a.height'],
    ['an unknown fit', { variants: { a: { width: 1, fit: 'bend' } } }, 'variants.a.fit'],
    ['a format that is not written', { variants: { a: { width: 1, format: 'gif' } } }, 'variants.a.format'],
    ['a quality beyond all', { variants: { a: { width: 1, quality: 101 } } }, 'variants.a.quality'],
    ['an unknown member', { variants: { a: { width: 1, blur: 9 } } }, 'variants.a'],
    ['another unknown member', { variants: { a: { width: 1 } }, loud: true }, ''],
  ])('may not have %s', async (_name, options, at) => {
    const steps = [{ step: 'image', ...(options ? { options } : {}) }]
    const body = JSON.stringify({ slug: 'never-made', policy: { steps } })
    const answer = await call('POST', 'http://localhost/v1/domains', { ...asAdmin, headers: json, body })
    const { problems } = expectProblem(answer, 400, 'request-invalid')
    expect(problems.map((problem: { at: string }) => problem.at)).toContain(
      ['json.policy.steps.0.options', at].filter(Boolean).join('.'),
    )
  })
})

describe('a JPEG', () => {
  test('loses its metadata and nothing else', () => {
    expect(Buffer.from(stripJpegMetadata(photograph()))).toEqual(samples.jpeg)
    expect(Buffer.from(stripJpegMetadata(samples.jpeg))).toEqual(samples.jpeg)
  })

  test('keeps what says how its colours look, wherever fill bytes stand', () => {
    const profile = Buffer.concat([Buffer.from([0xff, 0xe2, 0, 16]), Buffer.from('ICC_PROFILE\0\x01\x01')])
    const filled = Buffer.concat([samples.jpeg.subarray(0, 2), Buffer.from([0xff, 0xff]), photograph().subarray(2)])
    expect(stripJpegMetadata(filled).length).toBe(samples.jpeg.length)
    const coloured = Buffer.concat([samples.jpeg.subarray(0, 2), profile, samples.jpeg.subarray(2)])
    expect(Buffer.from(stripJpegMetadata(coloured))).toEqual(coloured)
  })

  test.each([0, 1, 2, 3, 5, 40, 300])('that is cut after %i bytes does no harm', (length) => {
    const cut = photograph().subarray(0, length)
    expect(stripJpegMetadata(cut).length).toBeLessThanOrEqual(cut.length)
  })
})

/** One pixel as Windows writes it. */
function bmp(): Buffer {
  const bytes = Buffer.alloc(58)
  bytes.write('BM')
  bytes.writeUInt32LE(58, 2)
  bytes.writeUInt32LE(54, 10)
  bytes.writeUInt32LE(40, 14)
  bytes.writeInt32LE(1, 18)
  bytes.writeInt32LE(1, 22)
  bytes.writeUInt16LE(1, 26)
  bytes.writeUInt16LE(24, 28)
  return bytes
}

afterAll(async () => {
  await execute("UPDATE uploaded_files SET status = 'failed' WHERE status = 'pending'")
  await jobsDone()
})
