import { env } from 'cloudflare:workers'
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, expect, test, vi } from 'vitest'
import { noise, sha256 } from '../support/e2e/bodies.ts'
import { partBytes } from '../support/sizes.ts'
import {
  type Answer,
  chunkedBody,
  expectProblem,
  expectStatus,
  heldExactly,
  holdings,
  jobsDone,
  makeDomain,
  nothingHeld,
  type TestDomain,
  waitForStatus,
} from '../support/workers/client.ts'
import { append, begun, retrieve, stateOf } from '../support/workers/resumable.ts'
import { evict } from '../support/workers/sessions.ts'
import { idOf } from '../support/workers/tus.ts'

vi.setConfig({ testTimeout: 1_800_000 })
afterAll(jobsDone, 120_000)

const isFull = Boolean((env as unknown as Record<string, unknown>).STEVEDORE_TEST_FULL)
const runs = isFull ? 400 : 25
const source = noise(2 * partBytes + 1000)

const sizes = fc.oneof(
  { weight: 3, arbitrary: fc.nat({ max: 10 }) },
  { weight: 3, arbitrary: fc.nat({ max: 100_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: partBytes - 3, max: partBytes + 3 }) },
)

/** What a client may do with an upload. */
const steps = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      bytes: sizes,
      isLast: fc.boolean(),
      isChunked: fc.boolean(),
      /** What `Upload-Length` says, relative to what would be true. */
      tells: fc.constantFrom(null, null, null, 0, 1, 70_000, -1),
      digest: fc.constantFrom('none', 'none', 'right', 'wrong'),
      /** Where the client thinks that it is, relative to where it is. */
      off: fc.constantFrom(0, 0, 0, 0, 0, -1, 1),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('retrieve' as const, 'evict' as const) }) },
)
type Step = typeof steps extends fc.Arbitrary<infer T> ? T : never
type AppendStep = Extract<Step, { kind: 'append' }>

/** How an append is sent: where it says that it belongs, what it says of lengths, and how many bytes it brings. */
interface Sent {
  at: number
  told: number | null
  bytes: number
  /** `Content-Length`; null where there is none. */
  declared: number | null
}

const problemOf = {
  gone: [410, 'upload-deleted'],
  completed: [400, 'upload-completed'],
  elsewhere: [409, 'offset-mismatch'],
  inconsistent: [400, 'upload-length-inconsistent'],
  'too far': [400, 'upload-length-inconsistent'],
  'kept, but not the end': [400, 'upload-length-inconsistent'],
  corrupt: [422, 'digest-mismatch'],
} as const
type Outcome = keyof typeof problemOf | 'kept' | 'accepted'

/** All that a client may count on, by the draft. */
class Model {
  readonly #domain: TestDomain
  readonly #url: string
  #offset = 0
  #length: number | null
  #fate: 'open' | 'complete' | 'gone' = 'open'

  constructor(domain: TestDomain, url: string, length: number | null) {
    this.#domain = domain
    this.#url = url
    this.#length = length
  }

  async do(step: Step): Promise<void> {
    if (step.kind === 'evict') await evict(idOf(this.#url))
    if (step.kind === 'append') await this.#append(step)
    await this.#expectState()
  }

  /** Ends the upload, if nothing has yet, and holds what is left against what was sent. */
  async finish(): Promise<void> {
    if (this.#fate === 'open') {
      const rest = source.subarray(this.#offset, this.#length ?? this.#offset)
      expectStatus(await append(this.#url, this.#offset, rest, true), 202)
      this.#offset += rest.length
      this.#fate = 'complete'
    }
    if (this.#fate === 'gone') return expect(await holdings(this.#domain)).toEqual(nothingHeld)
    const bytes = source.subarray(0, this.#offset)
    const file = await waitForStatus(this.#domain, idOf(this.#url))
    expect(file).toMatchObject({ size: bytes.length, sha256: sha256(bytes) })
    expect(await holdings(this.#domain)).toEqual(heldExactly(bytes.length))
  }

  async #append(step: AppendStep): Promise<void> {
    const at = Math.max(0, this.#offset + step.off)
    const piece = source.subarray(this.#offset, this.#offset + step.bytes)
    const end = this.#offset + piece.length
    const told = step.tells === null ? null : Math.max(0, end + step.tells)
    const digested = step.digest === 'right' ? piece : Buffer.from('something else')
    const headers: Record<string, string> = {
      ...(told === null ? {} : { 'upload-length': String(told) }),
      ...(step.digest === 'none' ? {} : { 'content-digest': sha256Field(digested) }),
    }
    const body = step.isChunked ? chunkedBody(piece, 30_000) : piece
    const answer = await append(this.#url, at, body, step.isLast, { headers })
    const declared = step.isChunked ? null : piece.length
    this.#judge(answer, step, { at, told, bytes: piece.length, declared })
  }

  /** Holds an answer against what it has to be, and takes up what the append has changed. */
  #judge(answer: Answer, step: AppendStep, sent: Sent): void {
    const outcome = this.#outcomeOf(step, sent)
    const end = this.#offset + sent.bytes
    switch (outcome) {
      case 'kept':
      case 'accepted':
        expectStatus(answer, outcome === 'kept' ? 204 : 202)
        break
      default: {
        const [status, code] = problemOf[outcome]
        expectProblem(answer, status, code)
      }
    }
    if (outcome === 'elsewhere') expect(stateOf(answer).offset).toBe(this.#offset)
    if (outcome === 'too far') this.#fate = 'gone'
    if (outcome === 'accepted') this.#fate = 'complete'
    if (['kept', 'accepted', 'kept, but not the end', 'corrupt'].includes(outcome)) {
      this.#length = sent.told ?? this.#length
      if (step.isLast && (sent.declared !== null || outcome === 'accepted')) this.#length = end
    }
    if (['kept', 'accepted', 'kept, but not the end'].includes(outcome)) this.#offset = end
  }

  /** What comes of an append, with all that is wrong with it in the order in which it shows. */
  #outcomeOf({ isLast, digest }: AppendStep, { at, told, bytes, declared }: Sent): Outcome {
    const end = this.#offset + bytes
    const length = told ?? this.#length
    if (this.#fate === 'gone') return 'gone'
    if (this.#fate === 'complete') return declared === 0 ? 'completed' : 'inconsistent'
    if (at !== this.#offset) return 'elsewhere'
    if (told !== null && this.#length !== null && told !== this.#length) return 'inconsistent'
    if (length !== null && length < this.#offset) return 'inconsistent'
    if (length !== null && end > length) return 'too far'
    if (isLast && declared !== null && length !== null && end !== length) return 'inconsistent'
    if (digest === 'wrong') return 'corrupt'
    if (!isLast) return 'kept'
    return length === null || length === end ? 'accepted' : 'kept, but not the end'
  }

  async #expectState(): Promise<void> {
    const answer = await retrieve(this.#url)
    if (this.#fate === 'gone') return expectStatus(answer, 410)
    expectStatus(answer, 204)
    const complete = this.#fate === 'complete' ? '?1' : '?0'
    expect(stateOf(answer)).toEqual({ offset: this.#offset, complete, length: this.#length })
  }
}

const sha256Field = (bytes: Uint8Array) => `sha-256=:${createHash('sha256').update(bytes).digest('base64')}:`

test('whatever is done to an upload in whatever order, it behaves as the draft says, and its file is whole', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.option(sizes, { nil: null }),
      fc.array(steps, { minLength: 1, maxLength: 10 }),
      async (length, sequence) => {
        const domain = await makeDomain()
        const model = new Model(domain, await begun(domain, length), length)
        for (const step of sequence) await model.do(step)
        await model.finish()
      },
    ),
    { numRuns: runs, endOnFailure: true },
  )
})
