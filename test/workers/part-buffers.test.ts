import { env } from 'cloudflare:workers'
import { describe, expect, test, vi } from 'vitest'
import { BufferPool } from '../../src/ingest/buffer-pool.ts'
import { noise, sha256 } from '../support/e2e/bodies.ts'
import {
  expectProblem,
  expectStatus,
  heldExactly,
  holdings,
  makeDomain,
  putFile,
  type Send,
  type TestDomain,
} from '../support/workers/client.ts'
import { appWith, HeldQueue, overriding } from '../support/workers/faults.ts'

vi.setConfig({ testTimeout: 60_000 })

const mebibyte = 1024 * 1024
const partBytes = 5 * mebibyte
const pieceBytes = 256 * 1024
/** What the pool keeps back from large buffers. */
const keptBytes = 4 * mebibyte

/**
 * R2 that looks at the bytes of a write late: after the call has given its promise, when `hold` is over and before the
 * promise settles. Who uses the buffer again before that stores other bytes than were sent, or, when he has read into it,
 * none at all: memory that is read into is transferred.
 */
function lateBucket(hold: () => Promise<unknown>): R2Bucket {
  return overriding(env.BUCKET, {
    put: (async (...args: Parameters<R2Bucket['put']>) => {
      await hold()
      return env.BUCKET.put(...args)
    }) as R2Bucket['put'],
    createMultipartUpload: async (key) => {
      const upload = await env.BUCKET.createMultipartUpload(key)
      return overriding(upload, {
        uploadPart: async (...args) => {
          await hold()
          return upload.uploadPart(...args)
        },
      })
    },
  })
}

/** Bodies that are pulled, and what has been pulled of them. */
class Bodies {
  #pulls = 0

  /** A body whose `ended` settles when it has been read to its end. */
  of(bytes: Uint8Array): { stream: ReadableStream; ended: Promise<void> } {
    const { promise: ended, resolve } = Promise.withResolvers<void>()
    let at = 0
    const stream = new ReadableStream({
      type: 'bytes',
      pull: (controller) => {
        this.#pulls++
        if (at >= bytes.length) {
          controller.close()
          ;(controller as ReadableByteStreamController).byobRequest?.respond(0)
          return resolve()
        }
        controller.enqueue(Uint8Array.from(bytes.subarray(at, at + pieceBytes)))
        at += pieceBytes
      },
    })
    return { stream, ended }
  }

  /** Waits until everybody who reads has gone as far as he goes: longer than a look at the pool is apart from the next. */
  async untilStill(): Promise<void> {
    for (let quietTurns = 0, pulls = this.#pulls; quietTurns < 40; quietTurns++) {
      await scheduler.wait(1)
      if (this.#pulls !== pulls) [quietTurns, pulls] = [0, this.#pulls]
    }
  }
}

async function expectStored(domain: TestDomain, sent: Uint8Array, answering: ReturnType<typeof putFile>) {
  const answer = await answering
  expectStatus(answer, 202)
  expect(answer.json.sha256).toBe(sha256(sent))
  const object = await env.BUCKET.get(`${answer.json.id}/${domain.id}`)
  expect(sha256(new Uint8Array((await object?.arrayBuffer()) ?? []))).toBe(sha256(sent))
}

/** A pool with room for so many large buffers and not one more. */
const poolOf = (buffers: number) => new BufferPool(buffers * partBytes + keptBytes + mebibyte)

const appOn = (pool: BufferPool, hold: () => Promise<unknown>) =>
  appWith({ env: { BUCKET: lateBucket(hold) }, deps: () => ({ queue: new HeldQueue(), pool }) })

const put = (domain: TestDomain, send: Send, bytes: Uint8Array, body: ReadableStream) =>
  putFile(domain.origin, 'a.bin', body, { send, headers: { 'content-length': String(bytes.length) } })

describe('a buffer is not used again while R2 may still read it:', () => {
  test.each([
    ['two are written while one is filled', 3],
    ['two take turns', 2],
    ['one serves alone', 1],
  ])('%s', async (_name, buffers) => {
    const domain = await makeDomain()
    const bodies = new Bodies()
    const pool = poolOf(buffers)
    const send = appOn(pool, () => bodies.untilStill())
    const content = noise(2 * partBytes + pieceBytes)
    await expectStored(domain, content, put(domain, send, content, bodies.of(content).stream))
    expect(pool.freeBytes).toBe(poolOf(buffers).freeBytes)
  })

  test('the only one goes from upload to upload, a part at a time', async () => {
    const domain = await makeDomain()
    const bodies = new Bodies()
    const pool = poolOf(1)
    const written: string[] = []
    const BUCKET = overriding(env.BUCKET, {
      createMultipartUpload: async (key) => {
        const upload = await env.BUCKET.createMultipartUpload(key)
        return overriding(upload, {
          uploadPart: (...args) => {
            written.push(key)
            return upload.uploadPart(...args)
          },
        })
      },
    })
    const send = appWith({ env: { BUCKET }, deps: () => ({ queue: new HeldQueue(), pool }) })
    const contents = [1, 2, 3].map((seed) => noise(4 * partBytes + pieceBytes, seed))
    await Promise.all(
      contents.map((content) => expectStored(domain, content, put(domain, send, content, bodies.of(content).stream))),
    )
    // Each has begun before any other had come to its end.
    const firsts = [...new Set(written)].map((key) => written.indexOf(key))
    const lasts = [...new Set(written)].map((key) => written.lastIndexOf(key))
    expect(Math.max(...firsts)).toBeLessThan(Math.min(...lasts))
    expect(pool.freeBytes).toBe(poolOf(1).freeBytes)
  })

  test('one is given up for an upload that waits', async () => {
    const domain = await makeDomain()
    const bodies = new Bodies()
    const pool = poolOf(3)
    const { promise: firstHasTwo, resolve: onWrite } = Promise.withResolvers<void>()
    // The first write lasts until the third upload finds nothing left.
    const contended = firstHasTwo.then(() => vi.waitUntil(() => pool.isContended, { timeout: 30_000 }))
    const send = appOn(pool, async () => {
      onWrite()
      await contended
      await bodies.untilStill()
    })
    const store = (parts: number, seed: number) => {
      const content = noise(parts * partBytes + pieceBytes, seed)
      return expectStored(domain, content, put(domain, send, content, bodies.of(content).stream))
    }
    const first = store(3, 1)
    await firstHasTwo
    await Promise.all([first, store(1, 2), store(1, 3)])
    expect(pool.freeBytes).toBe(poolOf(3).freeBytes)
  })

  test('a file of one write, while the next one comes in', async () => {
    const domain = await makeDomain()
    const bodies = new Bodies()
    const pool = new BufferPool()
    const [first, second] = [noise(3 * mebibyte, 1), noise(3 * mebibyte, 2)]
    const secondBody = bodies.of(second)
    const { promise: firstIsWritten, resolve: onWrite } = Promise.withResolvers<void>()
    const send = appOn(pool, () => {
      onWrite()
      return secondBody.ended
    })
    const storing = expectStored(domain, first, put(domain, send, first, bodies.of(first).stream))
    await firstIsWritten
    await expectStored(domain, second, put(domain, send, second, secondBody.stream))
    await storing
  })
})

test('of many uploads at once each is stored or told to come back, and the pool has all its memory again', async () => {
  const domain = await makeDomain()
  const bodies = new Bodies()
  const pool = poolOf(3)
  const { promise: oneIsRefused, resolve: onAnswer } = Promise.withResolvers<void>()
  // Nobody who has a buffer gets on before somebody who waits for one has been sent away.
  const send = appOn(pool, () => oneIsRefused)
  const content = noise(partBytes + pieceBytes)
  const sending = Array.from({ length: 24 }, () =>
    put(domain, send, content, bodies.of(content).stream).finally(() => onAnswer()),
  )
  await vi.waitUntil(() => pool.isContended, { timeout: 30_000 })
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 11_000 })
  const answers = await Promise.all(sending).finally(() => vi.useRealTimers())

  const accepted = answers.filter((answer) => answer.status === 202)
  const refused = answers.filter((answer) => answer.status !== 202)
  expect([accepted.length > 0, refused.length > 0]).toEqual([true, true])
  for (const answer of refused) {
    expectProblem(answer, 503, 'busy')
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
  }
  expect(await holdings(domain)).toEqual(heldExactly(...accepted.map(() => content.length)))
  expect(pool.freeBytes).toBe(poolOf(3).freeBytes)
})
