import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startBareWorker } from '../support/e2e/bare-worker.ts'
import { boundary, formBody, multipartType, noise, randomFrom } from '../support/e2e/bodies.ts'
import { type BodyKind, type Ending, inParallel, sendAndCut } from '../support/e2e/cuts.ts'
import { expectStatus, holdings, makeDomain, nothingHeld, type TestDomain } from '../support/e2e/domains.ts'
import { eventually } from '../support/e2e/eventually.ts'
import type { LocalWorker } from '../support/e2e/local-worker.ts'
import { RawConnection } from '../support/e2e/raw-connection.ts'

const isFull = process.env.STEVEDORE_TEST_FULL === '1'
const randomCuts = isFull ? 200 : 12
/** How many points of a small body are cut; in the full run it is cut at every one. */
const smallCuts = isFull ? Number.POSITIVE_INFINITY : 15
const seed = Number(process.env.STEVEDORE_TEST_SEED ?? 20_261_122)

const mebibyte = 1024 * 1024
const partBytes = 5 * mebibyte

/** A small file, a field and a large one: 21 MiB, so that the large file is written in four parts and a rest. */
const body = formBody([
  { name: 'metadata', content: '{"batch":"7"}' },
  { name: 'first', filename: 'first.txt', type: 'text/plain', content: 'A small file that comes first.\n'.repeat(100) },
  { name: 'second', filename: 'second.bin', type: 'application/octet-stream', content: noise(21 * mebibyte) },
])
const largeFileAt = body.indexOf('filename="second.bin"')
const largeContentAt = body.indexOf('\r\n\r\n', largeFileAt) + 4

const smallForm = formBody([
  { name: 'metadata', content: '{"batch":"7"}' },
  { name: 'first', filename: 'a.txt', type: 'text/plain', content: 'one\r\n' },
  { name: 'second', filename: 'b.bin', content: 'two' },
])
const smallFile = Buffer.from('One file, from its first byte to its last.\n')

let worker: LocalWorker

beforeAll(async () => {
  worker = await startBareWorker()
})

afterAll(() => worker?.stop())

function uploadsOf(domain: TestDomain) {
  return worker.r2.multiparts(`/${domain.id}`)
}

/** Waits until nothing is left of what was cut off, after one more upload has gone the whole way through the Worker. */
async function expectNothingLeft(domain: TestDomain) {
  const last = await worker.call('PUT', '/v1/uploads/last.bin', { host: domain.host, body: noise(100) })
  expectStatus(last, 202)
  const { id, links } = last.json()
  await eventually(async () => {
    expect((await worker.call('GET', new URL(links.status).pathname, { host: domain.host })).json().status).toBe(
      'complete',
    )
  })
  expectStatus(await worker.call('DELETE', `/v1/uploads/${id}`, { host: domain.host, headers: asAdministrator }), 204)
  await eventually(async () => expect(await holdings(worker, domain)).toEqual(nothingHeld))
}

const asAdministrator = { authorization: 'Bearer test-admin-token' }

/** Waits until the large file's R2 upload has this many parts. */
function untilParts(domain: TestDomain, parts: number) {
  return () => eventually(() => expect(uploadsOf(domain)).toMatchObject([{ state: 'open', parts }]))
}

describe('a connection that is cut at a chosen point leaves nothing behind:', () => {
  const points: { at: string; sentBytes: number; parts?: number }[] = [
    { at: 'before the body', sentBytes: 0 },
    { at: 'in the first delimiter', sentBytes: 10 },
    { at: 'in a field', sentBytes: body.indexOf('"batch"') },
    { at: 'in the header of the first file', sentBytes: body.indexOf('first.txt') },
    { at: 'between two files', sentBytes: body.lastIndexOf(`--${boundary}`, largeFileAt) },
    { at: 'in the header of the large file', sentBytes: largeFileAt },
    { at: 'before its first byte', sentBytes: largeContentAt },
    { at: 'in its first 64 KiB', sentBytes: largeContentAt + 10_000 },
    { at: 'after its first 64 KiB', sentBytes: largeContentAt + 64 * 1024 },
    { at: 'one byte before its first part is full', sentBytes: largeContentAt + partBytes - 1 },
    { at: 'in its second part', sentBytes: largeContentAt + partBytes + partBytes / 2, parts: 1 },
    { at: 'in its last part', sentBytes: largeContentAt + 4 * partBytes + 1000, parts: 4 },
    { at: 'before the last boundary', sentBytes: body.lastIndexOf(`\r\n--${boundary}--`), parts: 4 },
    { at: 'in the last boundary', sentBytes: body.length - 5, parts: 4 },
    { at: 'before the last CRLF', sentBytes: body.length - 2 },
  ]
  const endings: Ending[] = ['FIN', 'RST']

  it.each(points.flatMap((point) => endings.map((ending) => ({ ...point, ending }))))(
    '$at, by $ending',
    async ({ sentBytes, ending, parts }) => {
      const domain = await makeDomain(worker)
      const until = parts ? untilParts(domain, parts) : undefined
      const status = await sendAndCut(worker, { domain, body, sentBytes, ending, ...(until ? { until } : {}) })
      expect(status ?? 400).toBe(400)
      await expectNothingLeft(domain)
      if (parts) expect(uploadsOf(domain)).toMatchObject([{ state: 'aborted' }])
    },
  )

  it('before the headers end', async () => {
    const domain = await makeDomain(worker)
    for (const ending of endings) {
      const connection = await RawConnection.open(worker.port)
      await connection.send(`POST /v1/uploads HTTP/1.1\r\nHost: ${domain.host}\r\nContent-Ty`)
      if (ending === 'RST') connection.reset()
      else {
        await connection.halfClose()
        await connection.closed
      }
    }
    await expectNothingLeft(domain)
  })

  it('in a chunked body, within a chunk and between two', async () => {
    const domain = await makeDomain(worker)
    for (const [ending, afterTheChunk] of [
      ['FIN', ''],
      ['FIN', '\r\n'],
      ['RST', ''],
      ['RST', '\r\n'],
    ] as const) {
      const connection = await RawConnection.open(worker.port)
      await connection.sendHead('POST', '/v1/uploads', {
        Host: domain.host,
        'Content-Type': multipartType,
        'Transfer-Encoding': 'chunked',
      })
      const chunk = body.subarray(0, 7 * mebibyte)
      const announced = afterTheChunk === '' ? chunk.length + 1 : chunk.length
      await connection.send(`${announced.toString(16)}\r\n`)
      await connection.send(chunk)
      await connection.send(afterTheChunk)
      // The first part is on its way to R2 once its upload is there.
      await eventually(() => expect(uploadsOf(domain).filter((upload) => upload.state === 'open')).toHaveLength(1))
      if (ending === 'RST') connection.reset()
      else await connection.halfClose()
      await eventually(() => expect(uploadsOf(domain).filter((upload) => upload.state === 'open')).toHaveLength(0))
      connection.close()
    }
    await expectNothingLeft(domain)
    expect(uploadsOf(domain)).toHaveLength(4)
  })

  it('in a PUT, whose length was reserved against the quota', async () => {
    const domain = await makeDomain(worker, { quotaBytes: 30 * mebibyte })
    const content = noise(25 * mebibyte)
    const connection = await RawConnection.open(worker.port)
    await connection.sendHead('PUT', '/v1/uploads/large.bin', { Host: domain.host, 'Content-Length': content.length })
    await connection.send(content.subarray(0, 12 * mebibyte))
    await eventually(async () => {
      expect(await holdings(worker, domain)).toMatchObject({
        storedFiles: 1,
        storedBytes: content.length,
        openMultiparts: 1,
      })
    })
    connection.reset()
    await expectNothingLeft(domain)
    // The reservation is free again: the same file fits now.
    const again = await worker.call('PUT', '/v1/uploads/large.bin', { host: domain.host, body: content })
    expectStatus(again, 202)
  })
})

describe(`connections that are cut at ${randomCuts} random points (seed ${seed})`, () => {
  it('leave nothing behind', { timeout: 600_000 }, async () => {
    const domain = await makeDomain(worker)
    const random = randomFrom(seed)
    const cuts = Array.from({ length: randomCuts }, (_, index) => ({
      domain,
      body,
      sentBytes: Math.floor(random() * body.length),
      ending: (index % 2 === 0 ? 'FIN' : 'RST') as Ending,
    }))
    const statuses: (number | undefined)[] = []
    await inParallel(cuts, 3, async (cut) => {
      statuses.push(await sendAndCut(worker, cut))
    })
    expect(statuses.filter((status) => status !== undefined && status !== 400)).toEqual([])
    await expectNothingLeft(domain)
    // Else the points prove little: many of them lay behind the first part, and were undone.
    const undone = uploadsOf(domain).filter((upload) => upload.state === 'aborted')
    expect(undone.length).toBeGreaterThan(randomCuts / 4)
  })
})

describe(`a small body that is cut at ${isFull ? 'every point' : `${smallCuts} points (seed ${seed})`}`, () => {
  const bodies: [BodyKind, Buffer][] = [
    ['form', smallForm],
    ['chunked form', smallForm],
    ['file', smallFile],
  ]

  it.each(bodies)('leaves nothing behind: a %s', { timeout: 300_000 }, async (as, body) => {
    const domain = await makeDomain(worker)
    const cuts = pointsOf(body).flatMap((sentBytes) =>
      (['FIN', 'RST'] as const).map((ending) => ({ domain, body, as, sentBytes, ending })),
    )
    const answered: string[] = []
    await inParallel(cuts, 3, async (cut) => {
      const status = await sendAndCut(worker, cut)
      // Either there is nobody left to answer, or it is a refusal.
      if (status !== undefined && status !== 400) answered.push(`${status} after ${cut.sentBytes} bytes, ${cut.ending}`)
    })
    expect(answered).toEqual([])
    await expectNothingLeft(domain)
    expect(uploadsOf(domain)).toEqual([])
    // Files of one `put` have no row before their commit, so of all these only the last upload ever had one.
    const { results } = await worker.env.DB.prepare('SELECT filename FROM uploaded_files WHERE domain_id = ?')
      .bind(domain.id)
      .all()
    expect(results).toHaveLength(1)
  })
})

/** Points of a body, in no order: all of them, or some that depend on the seed alone. */
function pointsOf(body: Buffer): number[] {
  const random = randomFrom(seed)
  const points = Array.from(body, (_, point) => ({ point, rank: random() }))
  return points
    .sort((a, b) => a.rank - b.rank)
    .slice(0, smallCuts)
    .map(({ point }) => point)
}

it('is no failure of the Worker', () => {
  expect(worker.logged('request-failed')).toEqual([])
  expect(worker.logged('discard-failed')).toEqual([])
})
