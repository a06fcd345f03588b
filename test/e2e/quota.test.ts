import { afterAll, beforeAll, expect, it } from 'vitest'
import { startBareWorker } from '../support/e2e/bare-worker.ts'
import { noise } from '../support/e2e/bodies.ts'
import { holdings, makeDomain } from '../support/e2e/domains.ts'
import { eventually } from '../support/e2e/eventually.ts'
import type { LocalWorker } from '../support/e2e/local-worker.ts'

const mebibyte = 1024 * 1024

let worker: LocalWorker

beforeAll(async () => {
  worker = await startBareWorker()
})

afterAll(() => worker?.stop())

/** Sends files of these sizes all at once, and says which were accepted. */
async function sendAll(host: string, sizes: readonly number[]): Promise<boolean[]> {
  const content = noise(Math.max(...sizes))
  const answers = await Promise.all(
    sizes.map((size, index) =>
      worker.call('PUT', `/v1/uploads/${index}.bin`, { host, body: content.subarray(0, size) }),
    ),
  )
  const refused = answers.filter((answer) => answer.status !== 202)
  for (const answer of refused) expect(answer.json()).toMatchObject({ status: 413, code: 'quota-exceeded' })
  return answers.map((answer) => answer.status === 202)
}

/** Waits until what was refused is gone, and only this is left. */
async function expectHeld(domain: Parameters<typeof holdings>[1], files: number, bytes: number) {
  await eventually(async () => {
    const held = await holdings(worker, domain)
    const rows = Object.values(held.rows).reduce((sum, count) => sum + count, 0)
    expect({ ...held, rows }).toEqual({
      storedFiles: files,
      storedBytes: bytes,
      rows: files,
      objects: files,
      openMultiparts: 0,
    })
  }, 60_000)
}

it('of 200 uploads at once exactly as many are accepted as the quota of bytes holds', async () => {
  const domain = await makeDomain(worker, { quotaBytes: 77 * 1000 + 999 })
  const accepted = await sendAll(domain.host, new Array(200).fill(1000))
  expect(accepted.filter(Boolean)).toHaveLength(77)
  await expectHeld(domain, 77, 77_000)
}, 120_000)

it('of 200 uploads at once exactly as many are accepted as the quota of files holds', async () => {
  const domain = await makeDomain(worker, { quotaFiles: 13 })
  const sizes = Array.from({ length: 200 }, (_, index) => index)
  const accepted = await sendAll(domain.host, sizes)
  expect(accepted.filter(Boolean)).toHaveLength(13)
  const bytes = sizes.reduce((sum, size, index) => sum + (accepted[index] ? size : 0), 0)
  await expectHeld(domain, 13, bytes)
}, 120_000)

it('small and large uploads at once do not overrun the quota by a byte, and fill it to the last', async () => {
  const large = 6 * mebibyte
  const domain = await makeDomain(worker, { maxFileBytes: 32 * mebibyte, quotaBytes: 2 * large + 10 })
  const accepted = await sendAll(domain.host, [large, large, large, large, ...new Array(40).fill(1)])
  const bytes = accepted.reduce((sum, isIn, index) => sum + (isIn ? (index < 4 ? large : 1) : 0), 0)
  expect(bytes).toBeLessThanOrEqual(2 * large + 10)
  await expectHeld(domain, accepted.filter(Boolean).length, bytes)

  const left = 2 * large + 10 - bytes
  expect(await sendAll(domain.host, [left + 1])).toEqual([false])
  expect(await sendAll(domain.host, [left])).toEqual([true])
  await expectHeld(domain, accepted.filter(Boolean).length + 1, 2 * large + 10)
}, 120_000)
