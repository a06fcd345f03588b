import { env } from 'cloudflare:workers'
import { Buffer } from 'node:buffer'
import fc from 'fast-check'
import { afterAll, expect, test, vi } from 'vitest'
import { noise } from '../support/e2e/bodies.ts'
import { partBytes } from '../support/sizes.ts'
import {
  type Answer,
  expectProblem,
  expectStatus,
  heldExactly,
  holdings,
  jobsDone,
  makeDomain,
  type TestDomain,
} from '../support/workers/client.ts'
import { begunPartial, join, locationOf } from '../support/workers/concatenation.ts'
import { expectFile } from '../support/workers/expect-file.ts'
import { alarm, evict } from '../support/workers/sessions.ts'
import { head, idOf, offsetOf, patch, tusCall } from '../support/workers/tus.ts'

vi.setConfig({ testTimeout: 1_800_000 })
afterAll(jobsDone, 120_000)

const isFull = Boolean((env as unknown as Record<string, unknown>).STEVEDORE_TEST_FULL)
const runs = isFull ? 300 : 15
const source = noise(2 * partBytes)

const sizes = fc.oneof(
  { weight: 4, arbitrary: fc.nat({ max: 10 }) },
  { weight: 3, arbitrary: fc.nat({ max: 100_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: partBytes - 3, max: partBytes + 3 }) },
)
/** Which of those that there are; counted round. */
const which = fc.nat({ max: 5 })

/** What may be done with pieces, and with the files that are made of them. */
const steps = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('begin' as const), bytes: sizes, isDeferred: fc.boolean() }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('append' as const), which, bytes: sizes }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('complete' as const), which }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('join' as const), list: fc.array(which, { maxLength: 4 }) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'head of piece' as const,
        'head of file' as const,
        'append to file' as const,
        'end piece' as const,
        'end file' as const,
        'evict' as const,
        'alarm' as const,
      ),
      which,
    }),
  },
)
type Step = typeof steps extends fc.Arbitrary<infer T> ? T : never

interface Piece {
  url: string
  bytes: Buffer
  offset: number
  isLengthTold: boolean
  isGone: boolean
}

interface Final {
  url: string
  pieces: readonly Piece[]
  /** `forgotten`: joined, and then given up as an upload, which leaves the file. */
  state: 'waiting' | 'joined' | 'forgotten' | 'ended'
}

const isComplete = ({ bytes, offset, isLengthTold }: Piece) => isLengthTold && offset === bytes.length

/** What a client may count on of pieces and files that are joined of them. */
class Model {
  readonly #domain: TestDomain
  readonly #pieces: Piece[] = []
  readonly #finals: Final[] = []

  constructor(domain: TestDomain) {
    this.#domain = domain
  }

  async do(step: Step): Promise<void> {
    if (step.kind === 'begin') return this.#begin(step)
    if (step.kind === 'join') return this.#join(step.list)
    const piece = this.#pieces[step.which % this.#pieces.length]
    const final = this.#finals[step.which % this.#finals.length]
    if (step.kind === 'append') return piece && this.#append(piece, Math.min(step.bytes, leftOf(piece)))
    if (step.kind === 'complete') return piece && this.#append(piece, leftOf(piece))
    if (step.kind === 'head of piece') return piece && this.#look(piece)
    if (step.kind === 'end piece') return piece && this.#endPiece(piece)
    if (step.kind === 'evict') return piece && evict(idOf(piece.url))
    if (!final) return
    if (step.kind === 'head of file') return this.#ask(final)
    if (step.kind === 'end file') return this.#endFinal(final)
    if (step.kind === 'append to file') return this.#appendTo(final)
    await alarm(idOf(final.url))
    this.#advance(final)
  }

  /** Every piece that is there comes to its end, and is joined: by who waits for it, else by one file more. */
  async finish(): Promise<void> {
    for (const piece of this.#pieces) if (!piece.isGone) await this.#append(piece, leftOf(piece))
    for (const final of this.#finals) await this.#ask(final)
    await this.#join(this.#pieces.flatMap(({ isGone }, index) => (isGone ? [] : index)))
    expect(this.#pieces.every(({ isGone }) => isGone)).toBe(true)
    const joined = this.#finals.filter(({ state }) => state === 'joined' || state === 'forgotten')
    for (const { url, pieces } of joined) await expectFile(this.#domain, idOf(url), bytesOf(pieces))
    expect(await holdings(this.#domain)).toEqual(heldExactly(...joined.map(({ pieces }) => bytesOf(pieces).length)))
  }

  async #begin({ bytes, isDeferred }: Extract<Step, { kind: 'begin' }>): Promise<void> {
    const url = await begunPartial(this.#domain, isDeferred ? null : bytes)
    // Each has bytes of its own, so that none can be taken for another.
    const from = this.#pieces.length * 1000
    const piece = { url, bytes: source.subarray(from, from + bytes), offset: 0, isLengthTold: !isDeferred }
    this.#pieces.push({ ...piece, isGone: false })
  }

  async #append(piece: Piece, bytes: number): Promise<void> {
    const isLast = piece.offset + bytes === piece.bytes.length
    const headers = isLast ? { 'upload-length': String(piece.bytes.length) } : {}
    const body = piece.bytes.subarray(piece.offset, piece.offset + bytes)
    const answer = await patch(piece.url, piece.offset, body, { headers })
    if (piece.isGone) return expectGone(answer)
    expectStatus(answer, 204)
    piece.offset += bytes
    piece.isLengthTold ||= isLast
    expect(offsetOf(answer)).toBe(piece.offset)
  }

  async #look(piece: Piece): Promise<void> {
    const answer = await head(piece.url)
    if (piece.isGone) return expectGone(answer)
    expectStatus(answer, 200)
    expect(offsetOf(answer)).toBe(piece.offset)
    expect(answer.headers.get('upload-length')).toBe(piece.isLengthTold ? String(piece.bytes.length) : null)
    expect(answer.headers.get('upload-concat')).toBe('partial')
  }

  async #join(list: readonly number[]): Promise<void> {
    const pieces = [...new Set(list.flatMap((index) => this.#pieces[index % this.#pieces.length] ?? []))]
    const answer = await join(
      this.#domain,
      pieces.map(({ url }) => url),
    )
    if (pieces.length === 0) return void expectProblem(answer, 400, 'request-invalid')
    if (pieces.some(({ isGone }) => isGone)) return expectGone(answer)
    expectStatus(answer, 201)
    const final: Final = { url: locationOf(answer), pieces, state: 'waiting' }
    this.#finals.push(final)
    this.#advance(final)
    this.#expectTold(final, answer)
  }

  /** HEAD of a file goes on with it as far as its pieces let it. */
  async #ask(final: Final): Promise<void> {
    const answer = await head(final.url)
    this.#advance(final)
    if (isOver(final)) return expectGone(answer)
    expectStatus(answer, 200)
    this.#expectTold(final, answer)
    const length = final.pieces.every(({ isLengthTold }) => isLengthTold) ? bytesOf(final.pieces).length : null
    expect(answer.headers.get('upload-length')).toBe(length === null ? null : String(length))
  }

  async #appendTo(final: Final): Promise<void> {
    const answer = await patch(final.url, 0, 'abc')
    if (isOver(final)) return expectGone(answer)
    expectProblem(answer, 403, 'forbidden')
  }

  async #endPiece(piece: Piece): Promise<void> {
    const answer = await tusCall('DELETE', piece.url)
    if (piece.isGone) return expectGone(answer)
    expectStatus(answer, 204)
    piece.isGone = true
  }

  async #endFinal(final: Final): Promise<void> {
    const answer = await tusCall('DELETE', final.url)
    // One that is joined is a file, and is no longer given up as an upload.
    if (final.state === 'waiting') expectStatus(answer, 204)
    else expectGone(answer)
    if (final.state === 'joined') final.state = 'forgotten'
    else if (final.state === 'waiting') final.state = 'ended'
  }

  /** What comes of a file when it is looked at: it ends with a piece that is gone, or has what it waits for. */
  #advance(final: Final): void {
    if (final.state !== 'waiting') return
    if (final.pieces.some(({ isGone }) => isGone)) final.state = 'ended'
    else if (final.pieces.every(isComplete)) {
      final.state = 'joined'
      for (const piece of final.pieces) piece.isGone = true
    }
  }

  #expectTold({ state, pieces }: Final, { headers }: Answer): void {
    const offset = state === 'joined' ? String(bytesOf(pieces).length) : null
    expect(headers.get('upload-offset')).toBe(offset)
  }
}

const isOver = ({ state }: Final) => state === 'ended' || state === 'forgotten'
const leftOf = ({ bytes, offset }: Piece) => bytes.length - offset
const bytesOf = (pieces: readonly Piece[]) => Buffer.concat(pieces.map(({ bytes }) => bytes))

function expectGone({ status }: Answer): void {
  expect([404, 410]).toContain(status)
}

test('whatever is done to pieces and files in whatever order, each piece serves once, and each file is whole', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { minLength: 4, maxLength: 20 }), async (sequence) => {
      const model = new Model(await makeDomain())
      for (const step of sequence) await model.do(step)
      await model.finish()
    }),
    { numRuns: runs, endOnFailure: true },
  )
})
