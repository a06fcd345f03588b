import { v7 as uuidv7 } from 'uuid'
import { describe, expect, test, vi } from 'vitest'
import { isUnavailable, Refusal } from '../../src/core/errors.ts'
import { storedPolicy } from '../../src/core/policy.ts'
import { noTrace } from '../../src/core/trace-context.ts'
import { RequestBody } from '../../src/ingest/request-body.ts'
import type { Opening } from '../../src/resumable/session.ts'
import { Fence } from '../../src/resumable/turns.ts'
import type { Upload } from '../../src/resumable/upload.ts'
import { noise, sha256 } from '../support/e2e/bodies.ts'
import { partBytes } from '../support/sizes.ts'
import { heldExactly, holdings, makeDomain, nothingHeld, rowOf, type TestDomain } from '../support/workers/client.ts'
import { breakingR2, Outside, onSession } from '../support/workers/session-faults.ts'

vi.setConfig({ testTimeout: 60_000 })

interface Life {
  name: string
  bytes: Buffer
  /** Whether the length is told with the last append only. */
  isDeferred: boolean
  /** Where its appends end. */
  cuts: number[]
}

const lives: Life[] = [
  { name: 'a small file', bytes: noise(5000), isDeferred: false, cuts: [3000, 5000] },
  {
    name: 'a large file',
    bytes: noise(2 * partBytes + 50),
    isDeferred: false,
    cuts: [partBytes + 7, 2 * partBytes + 50],
  },
  {
    name: 'a large file of a length told later',
    bytes: noise(2 * partBytes),
    isDeferred: true,
    cuts: [partBytes + 7, 2 * partBytes],
  },
]

const openingOf = (domain: TestDomain, { bytes, isDeferred }: Life): Opening => ({
  id: uuidv7(),
  domainId: domain.id,
  filename: 'a.bin',
  declaredType: null,
  metadata: {},
  protocol: 'tus',
  role: { kind: 'file' },
  policy: storedPolicy(domain.policy),
  committer: { domainId: domain.id, keyId: null, token: null, isAnonymous: true },
  length: isDeferred ? null : bytes.length,
  endsBy: 'length',
  sha256: null,
  expiresAt: Date.now() + 3600_000,
  callbackUrl: null,
  trace: noTrace,
  notes: {},
})

/** Brings what is missing, as a client does that asks for the offset first. Returns where each try stood. */
async function goOn(upload: Upload, domain: TestDomain, { bytes, cuts }: Life, seen: number[]): Promise<void> {
  for (;;) {
    const view = await upload.settle(new Fence())
    if (!view) throw new Error('There is no session.')
    seen.push(view.offset)
    if (view.isComplete) return
    const to = cuts.find((cut) => cut > view.offset) ?? bytes.length
    const piece = bytes.subarray(view.offset, to)
    const body = new RequestBody(new Response(Uint8Array.from(piece)).body, String(piece.length))
    const length = to === bytes.length ? bytes.length : null
    const append = {
      domainId: domain.id,
      protocol: 'tus' as const,
      offset: view.offset,
      declaredBytes: piece.length,
      length,
      isLast: false,
      checksum: null,
    }
    await upload.append(body, append, new Fence())
  }
}

/** An upload's whole life, in which one call fails; then it is gone on with until it is complete. */
async function live(life: Life, outside: Outside): Promise<void> {
  const domain = await makeDomain()
  const opening = openingOf(domain, life)
  const { id } = opening
  const seen: number[] = []
  const expectKnown = (error: unknown) => {
    if (!(error instanceof Refusal && error.code === 'unavailable') && !isUnavailable(error)) throw error
  }
  const wasOpened = await onSession(id, outside.bindings, async (upload) => {
    try {
      await upload.open(opening, new Fence())
    } catch (error) {
      expectKnown(error)
      return false
    }
    await goOn(upload, domain, life, seen).catch(expectKnown)
    return true
  })
  if (!wasOpened) {
    expect(await holdings(domain)).toEqual(nothingHeld)
    return
  }
  await onSession(id, new Outside().bindings, (upload) => goOn(upload, domain, life, seen))
  // No offset ever went back.
  expect(seen).toEqual([...seen].sort((a, b) => a - b))
  expect(await rowOf(id)).toMatchObject({ status: 'pending', sha256: sha256(life.bytes), size: life.bytes.length })
  expect(await holdings(domain)).toEqual(heldExactly(life.bytes.length))
}

describe.each(lives)('$name', (life) => {
  test('is complete in the end, and nothing else is left, whichever call fails before or after its effect', async () => {
    const whole = new Outside()
    await live(life, whole)
    expect(whole.calls.length).toBeGreaterThanOrEqual(3)
    for (const moment of ['before', 'after'] as const) {
      for (const [number, call] of whole.calls.entries()) {
        await live(life, new Outside(number, moment)).catch((error) => {
          throw new Error(`call ${number} (${call}) failed ${moment} its effect: ${error.message}`, { cause: error })
        })
      }
    }
  })
})

test.each([
  ['breaks off', 'before'],
  ['ends before its last byte', 'after'],
] as const)('a file that %s while its digest is read is not accepted until that is known', async (_name, moment) => {
  const domain = await makeDomain()
  const life: Life = { name: 'one append', bytes: noise(partBytes + 9), isDeferred: false, cuts: [] }
  const opening = openingOf(domain, life)
  const whole = { domainId: domain.id, protocol: 'tus' as const, offset: 0, declaredBytes: life.bytes.length }
  const append = { ...whole, length: null, isLast: false, checksum: null }
  const error = await onSession(opening.id, { BUCKET: breakingR2(moment) }, async (upload) => {
    await upload.open(opening, new Fence())
    // Such an append is hashed as it comes; of one that breaks off nothing is known but its bytes.
    const sent = new Response(Uint8Array.from(life.bytes.subarray(0, partBytes))).body
    await upload.append(new RequestBody(sent, String(life.bytes.length)), append, new Fence()).catch(() => {})
    return goOn(upload, domain, life, []).then(() => null, isUnavailable)
  })
  expect(error).toBe(true)
  expect(await rowOf(opening.id)).toMatchObject({ status: 'uploading' })
  await onSession(opening.id, {}, (upload) => goOn(upload, domain, life, []))
  expect(await rowOf(opening.id)).toMatchObject({ status: 'pending', sha256: sha256(life.bytes) })
})
