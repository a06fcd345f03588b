import { expect, test } from 'vitest'
import { ConnectionError, type ErrorCode, StevedoreError, UnexpectedAnswer } from '../../client/index.ts'
import { type Repeatable, retryDelayMs } from '../../client/retry.ts'

const refusal = (status: number, code: ErrorCode, retryAfter: number | null = null) =>
  new StevedoreError({ type: '', title: '', status, code, detail: '', requestId: '' }, retryAfter)
const connection = new ConnectionError('')

test.each<[string, unknown, number, Repeatable, number | null]>([
  ['a first broken connection', connection, 1, 'always', 500],
  ['a fourth one', connection, 4, 'always', 4000],
  ['a twentieth one', connection, 20, 'always', 30_000],
  ['one that may have had its effect', connection, 1, 'when-undone', null],
  ['503', refusal(503, 'busy'), 1, 'always', 500],
  ['503 that says when', refusal(503, 'busy', 7), 1, 'always', 7000],
  ['503 that says much later', refusal(503, 'busy', 61), 1, 'always', null],
  ['503 that may have had its effect', refusal(503, 'unavailable'), 1, 'when-undone', null],
  ['429, which has done nothing', refusal(429, 'rate-limited', 2), 1, 'when-undone', 2000],
  ['a first request that still runs', refusal(409, 'idempotency-in-progress', 1), 1, 'always', 1000],
  ['another conflict', refusal(409, 'not-ready'), 1, 'always', null],
  ['500', refusal(500, 'internal'), 1, 'always', null],
  ['502 of a proxy', new UnexpectedAnswer('http://localhost', 502), 2, 'always', 1000],
  ['500 of an append', refusal(500, 'internal'), 1, 'resumable', 500],
  ['524 of a proxy, of an append', new UnexpectedAnswer('http://localhost', 524), 1, 'resumable', 500],
  ['an append that has met another', refusal(409, 'append-superseded'), 1, 'resumable', 500],
  ['an append that is told when', refusal(429, 'rate-limited', 9), 1, 'resumable', 9000],
  ['an append to what is complete', refusal(409, 'upload-completed'), 1, 'resumable', null],
  ['404 of another server', new UnexpectedAnswer('http://localhost', 404), 1, 'always', null],
  ['an error of its own', new TypeError(''), 1, 'always', null],
])('how long the client waits before it sends a request again: after %s', (_, error, tries, repeatable, leastMs) => {
  const delayMs = retryDelayMs(error, tries, repeatable)
  if (leastMs === null) return expect(delayMs).toBeNull()
  expect(delayMs).toBeGreaterThanOrEqual(leastMs)
  expect(delayMs).toBeLessThan(leastMs * 1.25)
})
