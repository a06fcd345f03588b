import { env } from 'cloudflare:workers'
import { Buffer } from 'node:buffer'
import { v7 as uuidv7 } from 'uuid'
import { describe, expect, test } from 'vitest'
import { isUnavailable, Refusal } from '../../src/core/errors.ts'
import { storedPolicy } from '../../src/core/policy.ts'
import { noTrace } from '../../src/core/trace-context.ts'
import type { Opening } from '../../src/resumable/session.ts'
import { Fence } from '../../src/resumable/turns.ts'
import { reconcile } from '../../src/services/reconcile/reconcile.ts'
import { noise, sha256 } from '../support/e2e/bodies.ts'
import { partBytes } from '../support/sizes.ts'
import {
  execute,
  expectStatus,
  heldExactly,
  holdings,
  makeDomain,
  nothingHeld,
  rowOf,
  type TestDomain,
} from '../support/workers/client.ts'
import { partial } from '../support/workers/concatenation.ts'
import { depsWith, HeldQueue, overriding } from '../support/workers/faults.ts'
import { breakingR2, Outside, onSession } from '../support/workers/session-faults.ts'
import { alarmOf, sessionOf, tablesOf, tamper } from '../support/workers/sessions.ts'
import { idOf, tusCall } from '../support/workers/tus.ts'

const pieces = [noise(3000), noise(0), noise(partBytes + 7)]

const openingOf = (domain: TestDomain, partialIds: readonly string[]): Opening => ({
  id: uuidv7(),
  domainId: domain.id,
  filename: 'a.bin',
  declaredType: null,
  metadata: {},
  protocol: 'tus',
  role: { kind: 'joined', partialIds },
  policy: storedPolicy(domain.policy),
  committer: { domainId: domain.id, keyId: null, token: null, isAnonymous: true },
  length: null,
  endsBy: 'length',
  sha256: null,
  expiresAt: Date.now() + 3600_000,
  callbackUrl: null,
  trace: noTrace,
  notes: {},
})

/** A file's whole joining, in which one call fails; then it is asked for until it is complete. */
async function live(outside: Outside): Promise<void> {
  const domain = await makeDomain()
  const urls: string[] = []
  for (const piece of pieces) urls.push(await partial(domain, piece))
  const opening = openingOf(domain, urls.map(idOf))
  const wasOpened = await onSession(opening.id, outside.bindings, async (upload) => {
    try {
      await upload.open(opening, new Fence())
      return true
    } catch (error) {
      if (!(error instanceof Refusal && error.code === 'unavailable') && !isUnavailable(error)) throw error
      return false
    }
  })
  if (!wasOpened) {
    for (const url of urls) expectStatus(await tusCall('DELETE', url), 204)
    expect(await holdings(domain)).toEqual(nothingHeld)
    return
  }
  const view = await onSession(opening.id, new Outside().bindings, (upload) => upload.settle(new Fence()))
  expect(view?.isComplete).toBe(true)
  const bytes = Buffer.concat(pieces)
  expect(await rowOf(opening.id)).toMatchObject({ status: 'pending', sha256: sha256(bytes), size: bytes.length })
  expect(await holdings(domain)).toEqual(heldExactly(bytes.length))
}

test('joining comes to the same end, whichever call fails before or after its effect', async () => {
  const whole = new Outside()
  await live(whole)
  expect(whole.calls).toEqual(expect.arrayContaining(['R2 get', 'R2 uploadPart', 'R2 complete']))
  for (const moment of ['before', 'after'] as const) {
    for (const [number, name] of whole.calls.entries()) {
      await live(new Outside(number, moment)).catch((error) => {
        throw new Error(`Failing ${moment} call ${number}, ${name}`, { cause: error })
      })
    }
  }
}, 120_000)

test.each([
  ['breaks off', 'before'],
  ['ends before its last byte', 'after'],
] as const)('a piece that %s while it is read is trouble that passes', async (_name, moment) => {
  const domain = await makeDomain()
  const opening = openingOf(domain, [idOf(await partial(domain, 'abc'))])
  const failing = { BUCKET: breakingR2(moment) }
  const error = await onSession(opening.id, failing, async (upload) => {
    await upload.open(opening, new Fence())
    return upload.settle(new Fence()).then(() => null, isUnavailable)
  })
  expect(error).toBe(true)
  const view = await onSession(opening.id, {}, (upload) => upload.settle(new Fence()))
  expect(view?.isComplete).toBe(true)
  expect(await holdings(domain)).toEqual(heldExactly(3))
})

test('a piece that is not reached when it is to live on is trouble that passes', async () => {
  const domain = await makeDomain()
  const opening = openingOf(domain, [idOf(await partial(domain, 'abc'))])
  const keepUntil = () => Promise.reject(Object.assign(new Error('Network connection lost.'), { retryable: true }))
  const getByName = (id: string) => ({ view: (domainId: string) => sessionOf(id).view(domainId), keepUntil }) as never
  const failing = { UPLOAD_SESSIONS: overriding(env.UPLOAD_SESSIONS, { getByName }) }
  const isPassing = await onSession(opening.id, failing, async (upload) => {
    await upload.open(opening, new Fence())
    return upload.settle(new Fence()).then(() => null, isUnavailable)
  })
  expect(isPassing).toBe(true)
  const view = await onSession(opening.id, {}, (upload) => upload.settle(new Fence()))
  expect(view?.isComplete).toBe(true)
  expect(await holdings(domain)).toEqual(heldExactly(3))
})

test('a piece that is gone when it is to be read ends the file, and all that is left of it', async () => {
  const domain = await makeDomain()
  const urls: string[] = []
  for (const piece of pieces) urls.push(await partial(domain, piece))
  const opening = openingOf(domain, urls.map(idOf))
  const whole = new Outside()
  await live(whole)
  const failing = new Outside(whole.calls.indexOf('R2 get'))
  const opened = await onSession(opening.id, failing.bindings, (upload) => upload.open(opening, new Fence()))
  expect(opened).toMatchObject({ isComplete: false, length: partBytes + 3007, offset: 0 })
  expectStatus(await tusCall('DELETE', urls[0]!), 204)
  const settling = onSession(opening.id, {}, (upload) =>
    upload.settle(new Fence()).then(
      () => null,
      (error: Refusal) => error.code,
    ),
  )
  expect(await settling).toBe('upload-deleted')
  expect(await holdings(domain)).toEqual(nothingHeld)
})

describe('pieces whose own time is over while their file is joined', () => {
  const hour = 3600_000
  const in24Hours = { CLOCK_OFFSET_SECONDS: String(24.5 * 3600) }

  // The calls of `live` from the one on that takes over their room.
  test.each([
    ['that does not know that it has taken over their room', 1, 'after'],
    ['that was cut off before it had read them', 2, 'before'],
  ] as const)('live as long as one %s', async (_name, call, moment) => {
    const domain = await makeDomain()
    const ids: string[] = []
    for (const piece of pieces) ids.push(idOf(await partial(domain, piece)))
    const soon = Date.now() + hour
    for (const id of ids) {
      await tamper(id, "UPDATE session SET opening = json_set(opening, '$.expiresAt', ?)", soon)
      await execute('UPDATE uploaded_files SET expires_at = ? WHERE id = ?', soon, id)
    }
    const opening = { ...openingOf(domain, ids), expiresAt: Date.now() + 26 * hour }
    const failing = new Outside(call, moment)
    await onSession(opening.id, failing.bindings, (upload) => upload.open(opening, new Fence()))
    for (const id of ids) {
      expect(await alarmOf(id)).toBe(opening.expiresAt)
      await onSession(id, in24Hours, (upload) => upload.wake(new Fence()))
    }
    const deps = depsWith({ env: in24Hours, deps: () => ({ queue: new HeldQueue(), log: () => {} }) })
    for (const place of deps.places) await reconcile({ ...deps, ...place })
    const view = await onSession(opening.id, in24Hours, (upload) => upload.settle(new Fence()))
    expect(view?.isComplete).toBe(true)
    expect(await holdings(domain)).toEqual(heldExactly(Buffer.concat(pieces).length))
    for (const id of ids) expect(await tablesOf(id)).toEqual([])
  })
})
