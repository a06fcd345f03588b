import { describe, expect, test, vi } from 'vitest'
import { BufferPool } from '../../src/ingest/buffer-pool.ts'
import { RequestBody } from '../../src/ingest/request-body.ts'
import { Fence } from '../../src/resumable/turns.ts'
import { noise } from '../support/e2e/bodies.ts'
import { mebibyte, partBytes } from '../support/sizes.ts'
import {
  type Answer,
  expectProblem,
  expectStatus,
  heldExactly,
  holdings,
  makeDomain,
  nothingHeld,
  putFile,
  type TestDomain,
} from '../support/workers/client.ts'
import { appWith, HeldQueue } from '../support/workers/faults.ts'
import { passing } from '../support/workers/passing.ts'
import { onSession } from '../support/workers/session-faults.ts'
import { created, idOf } from '../support/workers/tus.ts'

vi.setConfig({ testTimeout: 60_000 })

const content = noise(partBytes + 1000)
/** More than the first buffer of a file. */
const firstBytes = 65 * 1024

/** A body whose beginning comes at once, and so many bytes more each second; the rest comes at once at `restAtMs`. */
function drippingBody(bytesPerSecond: number, restAtMs = Number.POSITIVE_INFINITY): ReadableStream {
  const startedAt = Date.now()
  let at = 0
  return new ReadableStream({
    type: 'bytes',
    async pull(controller) {
      if (at >= content.length) return controller.close()
      if (at > 0) await later(1000)
      const isRest = Date.now() - startedAt >= restAtMs
      const end = isRest ? content.length : Math.min(at === 0 ? firstBytes : at + bytesPerSecond, content.length)
      controller.enqueue(Uint8Array.from(content.subarray(at, end)))
      at = end
    },
  })
}

const later = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** A pool with one large buffer. */
const narrowPool = () => new BufferPool(partBytes + 5 * mebibyte)

function put(domain: TestDomain, pool: BufferPool, body: ReadableStream | Uint8Array): Promise<Answer> {
  const send = appWith({ deps: () => ({ queue: new HeldQueue(), pool }) })
  return putFile(domain.origin, 'a.bin', body, { send, headers: { 'content-length': String(content.length) } })
}

describe('a body that comes slowly', () => {
  test('is refused when others wait for the memory that it holds, and they are served', async () => {
    const domain = await makeDomain()
    const pool = narrowPool()
    const [slow, quick] = await passing(60_000, async () => {
      const dripping = put(domain, pool, drippingBody(20))
      await later(12_000)
      return Promise.all([dripping, put(domain, pool, content)])
    })
    expectProblem(slow, 408, 'body-timeout')
    expect(slow.json.detail).toContain('while others waited')
    expectStatus(quick, 202)
    expect(await holdings(domain)).toEqual(heldExactly(content.length))
    expect(pool.freeBytes).toBe(narrowPool().freeBytes)
  })

  test('is not refused while nobody waits', async () => {
    const domain = await makeDomain()
    expectStatus(await passing(120_000, () => put(domain, narrowPool(), drippingBody(20, 90_000))), 202)
  })

  test('is not refused at a part a minute, whoever waits', async () => {
    const domain = await makeDomain()
    const pool = narrowPool()
    const [fair, other] = await passing(90_000, async () => {
      const dripping = put(domain, pool, drippingBody(100_000))
      await later(12_000)
      return Promise.all([dripping, put(domain, pool, content)])
    })
    expectStatus(fair, 202)
    expectProblem(other, 503, 'busy')
  })

  test('holds no more than twice what has come, where there is plenty', async () => {
    const domain = await makeDomain()
    const pool = new BufferPool()
    await passing(30_000, async () => {
      const dripping = put(domain, pool, drippingBody(20, 20_000))
      await later(10_000)
      expect(new BufferPool().freeBytes - pool.freeBytes).toBe(128 * 1024)
      expectStatus(await dripping, 202)
    })
    expect(pool.freeBytes).toBe(new BufferPool().freeBytes)
  })

  test('is refused as an append as well, and what came is kept', async () => {
    const domain = await makeDomain()
    const url = await created(domain, content.length)
    const pool = narrowPool()
    const append = {
      domainId: domain.id,
      protocol: 'tus' as const,
      offset: 0,
      declaredBytes: content.length,
      length: null,
      isLast: false,
      checksum: null,
    }
    const kept = await onSession(
      idOf(url),
      {},
      (upload) =>
        passing(60_000, async () => {
          const body = new RequestBody(drippingBody(20), String(content.length))
          const appending = expect(upload.append(body, append, new Fence())).rejects.toMatchObject({
            code: 'body-timeout',
          })
          await later(12_000)
          pool.takeBack(await pool.lend(partBytes))
          await appending
          return upload.view().offset
        }),
      { pool },
    )
    expect(kept).toBeGreaterThan(firstBytes)
    expect(pool.freeBytes).toBe(narrowPool().freeBytes)
    expect(await holdings(domain)).not.toEqual(nothingHeld)
  })
})

describe('a body that is refused', () => {
  /** A body of so many bytes, which notes how much memory each read of it brings. */
  function notingBody(bytes: number, room: number[]): ReadableStream {
    let left = bytes
    return new ReadableStream({
      type: 'bytes',
      pull(controller) {
        const request = (controller as ReadableByteStreamController).byobRequest
        const view = request?.view as Uint8Array
        room.push(view.byteLength)
        const count = Math.min(view.byteLength, left)
        left -= count
        if (count === 0) controller.close()
        request?.respond(count)
      },
    })
  }

  test.each([
    ['more comes into memory of the pool', 2 * mebibyte, new BufferPool(), [16 * 1024, 256 * 1024]],
    ['as little as there is left of it', 100, new BufferPool(), [100]],
    ['not more than there is left of it', 20_000, new BufferPool(), [16 * 1024]],
    ['16 KiB where the pool has nothing', 100_000, new BufferPool(0), [16 * 1024]],
  ])('is read away: %s', async (_name, bytes, pool, sizes) => {
    const room: number[] = []
    const { freeBytes } = pool
    const send = appWith({ deps: () => ({ pool }) })
    const headers = { 'content-length': String(bytes) }
    const body = notingBody(bytes, room)
    expectProblem(
      await putFile('http://localhost', 'a', body, { send, headers, key: 'nobody' }),
      401,
      'credential-invalid',
    )
    expect([...new Set(room)]).toEqual(sizes)
    expect(pool.freeBytes).toBe(freeBytes)
  })
})
