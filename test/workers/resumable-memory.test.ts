import { describe, expect, test, vi } from 'vitest'
import { BufferPool } from '../../src/ingest/buffer-pool.ts'
import { RequestBody } from '../../src/ingest/request-body.ts'
import type { Append } from '../../src/resumable/session.ts'
import { Fence } from '../../src/resumable/turns.ts'
import { noise } from '../support/e2e/bodies.ts'
import { mebibyte, partBytes } from '../support/sizes.ts'
import { heldExactly, holdings, makeDomain, rowOf, type TestDomain } from '../support/workers/client.ts'
import { passing } from '../support/workers/passing.ts'
import { onSession } from '../support/workers/session-faults.ts'
import { created, idOf, patch } from '../support/workers/tus.ts'

vi.setConfig({ testTimeout: 30_000 })

/** A pool with one large buffer. */
const narrowPool = () => new BufferPool(partBytes + 5 * mebibyte)

const appendOf = (domain: TestDomain, declaredBytes: number, offset = 0): Append => ({
  domainId: domain.id,
  protocol: 'tus',
  offset,
  declaredBytes,
  length: null,
  isLast: false,
  checksum: null,
})

describe('an append that has given its memory to others', () => {
  test('ends when a newer request wants the upload, and keeps what it brought', async () => {
    const domain = await makeDomain()
    const length = 2 * partBytes
    const url = await created(domain, length)
    const pool = narrowPool()
    const { freeBytes } = pool
    const work = async (upload: Parameters<Parameters<typeof onSession>[2]>[0]) => {
      const { promise: otherWaits, resolve: onOther } = Promise.withResolvers<void>()
      let left = length
      const stream = new ReadableStream({
        type: 'bytes',
        async pull(controller) {
          await otherWaits
          controller.enqueue(noise(mebibyte))
          left -= mebibyte
          if (left === 0) controller.close()
        },
      })
      const fence = new Fence()
      const body = new RequestBody(stream, String(length))
      const appending = expect(upload.append(body, appendOf(domain, length), fence)).rejects.toMatchObject({
        code: 'append-superseded',
      })
      await vi.waitUntil(() => pool.freeBytes < freeBytes)
      const lending = pool.lend(partBytes)
      onOther()
      const other = await lending
      await vi.waitUntil(() => pool.isContended)
      fence.raise()
      await appending
      expect(upload.view().offset).toBe(partBytes)
      pool.takeBack(other)
    }
    await onSession(idOf(url), {}, work, { pool })
    expect(pool.freeBytes).toBe(freeBytes)
  })
})

test('the last bytes of a file are read into memory of the pool; where there is none it is finished later', async () => {
  const domain = await makeDomain()
  const bytes = noise(2 * mebibyte)
  const url = await created(domain, bytes.length)
  await patch(url, 0, bytes.subarray(0, -1))
  const pool = narrowPool()
  const { freeBytes } = pool
  const work = async (upload: Parameters<Parameters<typeof onSession>[2]>[0]) => {
    const all = await pool.lend(partBytes)
    await passing(20_000, async () => {
      const body = new RequestBody(new Blob([bytes.subarray(-1)]).stream(), '1')
      await expect(upload.append(body, appendOf(domain, 1, bytes.length - 1), new Fence())).rejects.toMatchObject({
        code: 'busy',
        retryAfterSeconds: 5,
      })
    })
    expect(upload.view()).toMatchObject({ offset: bytes.length, isComplete: false })
    pool.takeBack(all)
    await upload.wake(new Fence())
    expect(upload.view().isComplete).toBe(true)
  }
  await onSession(idOf(url), {}, work, { pool })
  expect(await rowOf(idOf(url))).toMatchObject({ status: 'pending', size: bytes.length })
  expect(await holdings(domain)).toEqual(heldExactly(bytes.length))
  expect(pool.freeBytes).toBe(freeBytes)
})
