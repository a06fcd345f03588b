import { Buffer } from 'node:buffer'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { noise, sha256 } from '../support/e2e/bodies.ts'
import {
  call,
  expectProblem,
  expectStatus,
  heldExactly,
  holdings,
  jobsDone,
  makeDomain,
  nothingHeld,
  waitForStatus,
} from '../support/workers/client.ts'
import { create, created, head, idOf, offsetOf, patch, tusCall, uploadMetadata } from '../support/workers/tus.ts'

vi.setConfig({ testTimeout: 30_000 })
afterAll(jobsDone, 30_000)

const mebibyte = 1024 * 1024
const partBytes = 5 * mebibyte

describe('core', () => {
  test('a file comes in by appends of any size, and is the same as if it had come at once', async () => {
    const domain = await makeDomain()
    const bytes = noise(2 * partBytes + 4321)
    const url = await created(domain, bytes.length, {
      headers: {
        'upload-metadata': uploadMetadata({ filename: 'crane.bin', filetype: 'application/x-crane', dock: '7' }),
      },
    })
    const cuts = [0, 1, 2, 70_000, partBytes - 1, partBytes + 1, partBytes + 2, 2 * partBytes, bytes.length]
    for (const [index, from] of cuts.slice(0, -1).entries()) {
      const to = cuts[index + 1]!
      const answer = await patch(url, from, bytes.subarray(from, to))
      expectStatus(answer, 204)
      expect(offsetOf(answer)).toBe(to)
      expect(offsetOf(await head(url))).toBe(to)
    }
    const file = await waitForStatus(domain, idOf(url))
    expect(file).toMatchObject({
      filename: 'crane.bin',
      declaredType: 'application/x-crane',
      size: bytes.length,
      sha256: sha256(bytes),
      metadata: { dock: '7' },
      protocol: 'tus',
    })
    const content = await call('GET', `${domain.origin}/v1/uploads/${file.id}/content`)
    expect(Buffer.compare(content.bytes, bytes)).toBe(0)
    expect(await holdings(domain)).toEqual(heldExactly(bytes.length))
  })

  test('a small file, one of no bytes, and one sent with its creation', async () => {
    const domain = await makeDomain()
    const url = await created(domain, 5)
    expectStatus(await patch(url, 0, 'abcde'), 204)
    const empty = await created(domain, 0)
    const answer = await create(domain.origin, 3, { body: 'abc' })
    expectStatus(answer, 201)
    expect(offsetOf(answer)).toBe(3)
    for (const [at, content] of [
      [url, 'abcde'],
      [empty, ''],
      [answer.headers.get('location')!, 'abc'],
    ] as const) {
      expect(await waitForStatus(domain, idOf(at))).toMatchObject({
        size: content.length,
        sha256: sha256(Buffer.from(content)),
      })
    }
    expect(await holdings(domain)).toEqual(heldExactly(5, 0, 3))
  })

  test('an append at another offset changes nothing', async () => {
    const domain = await makeDomain()
    const url = await created(domain, 10)
    expectStatus(await patch(url, 0, 'abc'), 204)
    expectProblem(await patch(url, 0, 'abc'), 409, 'offset-mismatch')
    expectProblem(await patch(url, 4, 'abc'), 409, 'offset-mismatch')
    expect(offsetOf(await head(url))).toBe(3)
  })

  test('nothing is left of an upload that is given up', async () => {
    const domain = await makeDomain()
    const url = await created(domain, 2 * partBytes)
    expectStatus(await patch(url, 0, noise(partBytes + 10)), 204)
    expectStatus(await tusCall('DELETE', url), 204)
    expect(await holdings(domain)).toEqual(nothingHeld)
    expectStatus(await head(url), 410)
    expectProblem(await patch(url, partBytes + 10, 'abc'), 410, 'upload-deleted')
  })
})
