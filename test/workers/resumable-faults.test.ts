import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { v7 as uuidv7 } from 'uuid'
import { describe, expect, test, vi } from 'vitest'
import { isUnavailable, Refusal } from '../../src/core/errors.ts'
import { storedPolicy } from '../../src/core/policy.ts'
import { RequestBody } from '../../src/ingest/request-body.ts'
import { Ledger } from '../../src/resumable/ledger.ts'
import type { Opening } from '../../src/resumable/session.ts'
import { Fence } from '../../src/resumable/turns.ts'
import { Upload } from '../../src/resumable/upload.ts'
import { noise, sha256 } from '../support/e2e/bodies.ts'
import { heldExactly, holdings, makeDomain, nothingHeld, rowOf, type TestDomain } from '../support/workers/client.ts'
import { depsWith, faultyD1, HeldQueue, type Moment, overriding } from '../support/workers/faults.ts'
import { sessionOf } from '../support/workers/sessions.ts'

vi.setConfig({ testTimeout: 60_000 })

const mebibyte = 1024 * 1024
const partBytes = 5 * mebibyte

/** Counts every call that leaves the session, and has the one with this number fail at this moment. */
class Outside {
  readonly calls: string[] = []
  readonly #failing: number
  readonly #moment: Moment

  constructor(failing = -1, moment: Moment = 'before') {
    this.#failing = failing
    this.#moment = moment
  }

  get bindings(): { DB: D1Database; BUCKET: R2Bucket } {
    const DB = faultyD1(env.DB, (sql) =>
      this.#count(`D1 ${/^\w+ \W*\w+\W* \w+/.exec(sql)?.[0]}`) ? this.#moment : undefined,
    )
    const BUCKET = this.#watching(env.BUCKET, ['put', 'get', 'head', 'delete', 'createMultipartUpload'], {
      createMultipartUpload: (upload) => this.#watchingUpload(upload as R2MultipartUpload),
    })
    const resume = env.BUCKET.resumeMultipartUpload.bind(env.BUCKET)
    const resumeMultipartUpload = (key: string, id: string) => this.#watchingUpload(resume(key, id))
    return { DB, BUCKET: overriding(BUCKET, { resumeMultipartUpload }) }
  }

  #watchingUpload(upload: R2MultipartUpload): R2MultipartUpload {
    return this.#watching(upload, ['uploadPart', 'complete', 'abort'])
  }

  #watching<T extends object>(
    target: T,
    methods: (keyof T & string)[],
    results: Record<string, (result: unknown) => unknown> = {},
  ): T {
    const replaced = methods.map((method) => {
      const original = (target[method] as (...values: unknown[]) => Promise<unknown>).bind(target)
      const watched = async (...values: unknown[]) => {
        const fails = this.#count(`R2 ${method}`)
        if (fails && this.#moment === 'before') throw new Error('R2 did not answer.')
        const result = await original(...values)
        if (fails) throw new Error('R2’s answer was lost.')
        return results[method]?.(result) ?? result
      }
      return [method, watched] as const
    })
    return overriding(target, Object.fromEntries(replaced) as unknown as Partial<T>)
  }

  #count(call: string): boolean {
    this.calls.push(call)
    return this.calls.length - 1 === this.#failing
  }
}

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
  policy: storedPolicy(domain.policy),
  committer: { domainId: domain.id, keyId: null, token: null, isAnonymous: true },
  length: isDeferred ? null : bytes.length,
  endsBy: 'length',
  sha256: null,
  expiresAt: Date.now() + 3600_000,
  notes: {},
})

/** Works on a session with these bindings, in an object that was started for it. */
function onSession<T>(id: string, bindings: Record<string, unknown>, work: (upload: Upload) => Promise<T>): Promise<T> {
  return runInDurableObject(sessionOf(id), (_session, { storage }) => {
    const deps = depsWith({ env: bindings, deps: () => ({ queue: new HeldQueue(), log: () => {} }) })
    const [place] = deps.places
    return work(new Upload({ ...deps, ...place!, ledger: new Ledger(storage), wakeAt: async () => {} }))
  })
}

/** Brings what is missing, as a client does that asks for the offset first. Returns where each try stood. */
async function goOn(upload: Upload, domain: TestDomain, { bytes, cuts }: Life, seen: number[]): Promise<void> {
  for (;;) {
    const view = await upload.settle()
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
      await upload.open(opening)
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
