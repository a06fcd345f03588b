import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { BufferPool, poolBytes } from '../../src/ingest/buffer-pool.ts'
import { type FuzzCase, fuzz, mutatedBody, randomFrom } from '../multipart/fuzz.ts'
import { namesNaively, parseNaively } from '../multipart/naive-parser.ts'
import { call, chunkedBody, heldExactly, holdings, makeDomain } from '../support/workers/client.ts'
import { appWith, HeldQueue } from '../support/workers/faults.ts'

/** The binding FUZZ_COUNT sets how many bodies: 3,000 unless `npm run test:full` asks for all 200,000. */
const count = Number((env as { FUZZ_COUNT?: string }).FUZZ_COUNT || 3000)
const sentCount = Math.ceil(count / 10)
const seed = 20_000_000

test(`${count} mutated bodies: refused by name, or read as the naive parser reads them`, async () => {
  const outcomes = await fuzz(seed, count)
  // A mutator that only ever breaks bodies, or never does, would show nothing.
  expect(outcomes.get('accepted')).toBeGreaterThan(count / 10)
  expect(outcomes.get('truncated')).toBeGreaterThan(count / 50)
  expect(outcomes.size).toBeGreaterThan(8)
  console.log(Object.fromEntries(outcomes))
}, 1_800_000)

/** Whether a form has stored what the naive parser finds in it; null stands for a file that was refused. */
function isAsFoundNaively({ boundary, body }: FuzzCase, stored: readonly (Buffer | null)[]): boolean {
  const naive = parseNaively(Buffer.from(body).toString('latin1'), boundary)
  if ('refused' in naive) return false
  const contentsOf = (parts: { body: string }[]) => parts.map((part) => Buffer.from(part.body, 'latin1'))
  // Of a header that is not plain the naive parser does not know whether it is a file's.
  if (naive.parts.some(({ head }) => /[^\t\r\n -~]|\*/.test(head))) {
    const contents = contentsOf(naive.parts)
    return stored.every((bytes) => bytes === null || contents.some((content) => content.equals(bytes)))
  }
  const contents = contentsOf(naive.parts.filter(({ head }) => namesNaively(head).filename))
  return (
    stored.length === contents.length &&
    stored.every((bytes, index) => bytes === null || contents[index]?.equals(bytes) === true)
  )
}

/** What R2 has of each file of an accepted form. */
async function storedContents(results: { upload?: { id: string } }[], domainId: string): Promise<(Buffer | null)[]> {
  return Promise.all(
    results.map(async ({ upload }) => {
      const object = upload && (await env.BUCKET.get(`${upload.id}/${domainId}`))
      return object ? Buffer.from(await object.arrayBuffer()) : null
    }),
  )
}

test(`${sentCount} of them sent: refused, and nothing is left, or stored as the naive parser reads them`, async () => {
  const pool = new BufferPool()
  const send = appWith({ deps: () => ({ queue: new HeldQueue(), pool }) })
  const domain = await makeDomain({ maxFilesPerRequest: 1000 })
  const sizes: number[] = []
  const statuses = new Map<number, number>()
  for (let at = 0; at < sentCount; at++) {
    const fuzzCase = mutatedBody(seed + at)
    const { body, boundary } = fuzzCase
    const random = randomFrom(fuzzCase.seed ^ 0x5e4d)
    const answer = await call('POST', `${domain.origin}/v1/uploads`, {
      headers: { 'content-type': `multipart/form-data; boundary="${boundary}"` },
      body: random(2) === 0 ? body : chunkedBody(body, 1 + random(20_000)),
      send,
    })
    const which = `fuzz case ${fuzzCase.seed}, answered ${answer.status}: ${answer.text}`
    expect(answer.status, which).toBeLessThan(500)
    expect(pool.freeBytes, which).toBe(poolBytes)
    statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
    if (answer.status >= 400) continue
    const stored = await storedContents(answer.json.results, domain.id)
    expect(isAsFoundNaively(fuzzCase, stored), which).toBe(true)
    sizes.push(...stored.flatMap((bytes) => (bytes ? [bytes.length] : [])))
  }
  expect(await holdings(domain)).toEqual(heldExactly(...sizes))
  expect(statuses.get(202)).toBeGreaterThan(sentCount / 20)
  expect(statuses.get(400)).toBeGreaterThan(sentCount / 10)
  console.log(Object.fromEntries(statuses))
}, 1_800_000)
