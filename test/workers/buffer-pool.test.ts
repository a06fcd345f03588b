import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { BufferPool } from '../../src/ingest/buffer-pool.ts'
import { partBytes } from '../support/sizes.ts'

const kibibyte = 1024

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** Whether a promise has been kept once nothing is left to do without time going on. */
async function isKept(promise: Promise<unknown>): Promise<boolean> {
  let kept = false
  promise.then(
    () => {
      kept = true
    },
    () => {},
  )
  await vi.advanceTimersByTimeAsync(0)
  return kept
}

describe('a small file', () => {
  test('finds room beside any number of large ones that have begun, or wait to', async () => {
    const pool = new BufferPool()
    // What nobody refers to any more returns by itself.
    const loans: unknown[] = []
    for (let count = 0; count < 8; count++) loans.push(await pool.lend(partBytes))
    for (let count = 0; count < 160; count++) {
      pool.lend(64 * kibibyte, { mayGrow: true }).then(
        (first) => {
          loans.push(first)
          pool.grow(first, partBytes).catch(() => {})
        },
        () => {},
      )
    }
    await vi.advanceTimersByTimeAsync(0)
    expect(pool.isContended).toBe(true)
    expect(await isKept(pool.lend(256 * kibibyte))).toBe(true)
    expect(loans.length).toBe(8 + 64)
  })

  test('waits for other small ones, and not for the large ones that came before it', async () => {
    const pool = new BufferPool()
    const loans = []
    while (pool.freeBytes > 0) loans.push(await pool.lend(256 * kibibyte))
    const large = pool.lend(partBytes).catch(() => {})
    const [first, second] = [pool.lend(kibibyte), pool.lend(256 * kibibyte)]
    expect(await isKept(first)).toBe(false)
    pool.takeBack(loans[0]!)
    await vi.advanceTimersByTimeAsync(100)
    expect([await isKept(first), await isKept(second), await isKept(large)]).toEqual([true, false, false])
    pool.takeBack(loans[1]!)
    await vi.advanceTimersByTimeAsync(100)
    expect([await isKept(second), await isKept(large)]).toEqual([true, false])
  })
})

test('nobody waits any more who has not asked for two seconds', async () => {
  const pool = new BufferPool(partBytes)
  pool.lend(partBytes).catch(() => {})
  expect(pool.isContended).toBe(true)
  vi.setSystemTime(Date.now() + 2_001)
  expect(pool.isContended).toBe(false)
})
