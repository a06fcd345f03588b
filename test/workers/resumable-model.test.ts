import { env } from 'cloudflare:workers'
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, expect, test, vi } from 'vitest'
import { noise, sha256 } from '../support/e2e/bodies.ts'
import { mebibyte, partBytes } from '../support/sizes.ts'
import {
  call,
  chunkedBody,
  expectStatus,
  heldExactly,
  holdings,
  jobsDone,
  makeDomain,
  type TestDomain,
  waitForStatus,
} from '../support/workers/client.ts'
import { alarm, evict } from '../support/workers/sessions.ts'
import { created, head, idOf, offsetOf, patch } from '../support/workers/tus.ts'

vi.setConfig({ testTimeout: 1_800_000 })
afterAll(jobsDone, 120_000)

const isFull = Boolean((env as unknown as Record<string, unknown>).STEVEDORE_TEST_FULL)
const runs = isFull ? 300 : 20
const source = noise(12 * mebibyte)

const sizes = fc.oneof(
  fc.nat({ max: 10 }),
  fc.nat({ max: 300_000 }),
  fc.integer({ min: partBytes - 3, max: partBytes + 3 }),
  fc.nat({ max: 2 * partBytes }),
)

/** What may be done to an upload. */
const steps = fc.oneof(
  fc.record({
    kind: fc.constant('append' as const),
    bytes: sizes,
    isChunked: fc.boolean(),
    tellsLength: fc.boolean(),
    checksum: fc.constantFrom('none', 'none', 'right', 'wrong'),
  }),
  fc.record({ kind: fc.constant('cut' as const), bytes: sizes, sent: sizes, hasChecksum: fc.boolean() }),
  fc.record({ kind: fc.constant('append elsewhere' as const), off: fc.constantFrom(-1, 1, 5000) }),
  fc.record({ kind: fc.constant('race' as const), bytes: sizes }),
  fc.record({ kind: fc.constantFrom('head' as const, 'evict' as const, 'look' as const, 'alarm' as const) }),
)
type Step = typeof steps extends fc.Arbitrary<infer T> ? T : never

/** All that a client may count on: how many bytes are kept, and what was said of the length. */
class Model {
  readonly bytes: Buffer
  readonly #domain: TestDomain
  readonly #url: string
  offset = 0
  isLengthTold: boolean

  constructor(domain: TestDomain, url: string, bytes: Buffer, isLengthTold: boolean) {
    this.#domain = domain
    this.#url = url
    this.bytes = bytes
    this.isLengthTold = isLengthTold
  }

  get isWhole(): boolean {
    return this.isLengthTold && this.offset === this.bytes.length
  }

  async do(step: Step): Promise<void> {
    switch (step.kind) {
      case 'append':
        return this.#append(step)
      case 'cut':
        return this.#cut(step)
      case 'append elsewhere':
        return this.#appendElsewhere(step.off)
      case 'race':
        return this.#race(step.bytes)
      case 'head':
        return this.#expectBetween(this.offset, this.offset)
      case 'look':
        return this.#look()
      case 'evict':
        return evict(idOf(this.#url))
      case 'alarm':
        await alarm(idOf(this.#url))
    }
  }

  async finish(): Promise<void> {
    const length = { 'upload-length': String(this.bytes.length) }
    expectStatus(await patch(this.#url, this.offset, this.bytes.subarray(this.offset), { headers: length }), 204)
    const file = await waitForStatus(this.#domain, idOf(this.#url))
    expect(file).toMatchObject({ size: this.bytes.length, sha256: sha256(this.bytes) })
    expect(await holdings(this.#domain)).toEqual(heldExactly(this.bytes.length))
  }

  async #append({ bytes, isChunked, tellsLength, checksum }: Extract<Step, { kind: 'append' }>) {
    const piece = this.#piece(bytes)
    const headers = {
      ...(tellsLength ? { 'upload-length': String(this.bytes.length) } : {}),
      ...(checksum === 'none'
        ? {}
        : { 'upload-checksum': checksumOf(checksum === 'right' ? piece : Buffer.from('x')) }),
    }
    // There is nothing to hold a checksum against where nothing is taken any more.
    const isKept = checksum !== 'wrong' || this.isWhole
    const body = isChunked ? chunkedBody(piece, 300_000) : piece
    const answer = await patch(this.#url, this.offset, body, { headers })
    this.isLengthTold ||= tellsLength
    if (isKept) {
      expectStatus(answer, 204)
      this.offset += piece.length
      expect(offsetOf(answer)).toBe(this.offset)
    } else expectStatus(answer, 460)
    await this.#expectBetween(this.offset, this.offset)
  }

  /** The connection breaks off: what had come by then is kept, or nothing where a checksum speaks for all of it. */
  async #cut({ bytes, sent, hasChecksum }: Extract<Step, { kind: 'cut' }>) {
    const piece = this.#piece(bytes)
    if (piece.length === 0) return
    const headers = hasChecksum ? { 'upload-checksum': checksumOf(piece) } : {}
    const { readable, writable } = new FixedLengthStream(piece.length)
    const answering = patch(this.#url, this.offset, readable, { headers })
    const writer = writable.getWriter()
    const some = piece.subarray(0, Math.min(sent, piece.length - 1))
    if (some.length > 0) await writer.write(Uint8Array.from(some))
    await writer.abort(new Error('gone')).catch(() => {})
    expect((await answering).status).toBeGreaterThanOrEqual(400)
    await this.#expectBetween(this.offset, this.offset + (hasChecksum ? 0 : some.length))
  }

  async #appendElsewhere(off: number) {
    const at = this.offset + off
    if (at < 0) return
    expectStatus(await patch(this.#url, at, 'abc'), 409)
    await this.#expectBetween(this.offset, this.offset)
  }

  /** Two clients that both think they are the only one: one append at least is told no, unless it had nothing to bring. */
  async #race(bytes: number) {
    const piece = this.#piece(bytes)
    const answers = await Promise.all([1, 2].map(() => patch(this.#url, this.offset, piece)))
    const statuses = answers.map((answer) => answer.status)
    for (const status of statuses) expect([204, 409]).toContain(status)
    if (piece.length > 0) expect(statuses).toContain(409)
    const least = statuses.includes(204) ? this.offset + piece.length : this.offset
    await this.#expectBetween(least, this.offset + piece.length)
  }

  /** The status call: it disturbs nothing, and says no more than has been received. */
  async #look() {
    const answer = await call('GET', `${this.#domain.origin}/v1/uploads/${idOf(this.#url)}/status`)
    expectStatus(answer, 200)
    if (!this.isWhole) expect(answer.json.received).toMatchObject({ bytes: this.offset })
  }

  async #expectBetween(least: number, most: number) {
    const answer = await head(this.#url)
    expectStatus(answer, 200)
    expect(offsetOf(answer)).toBeGreaterThanOrEqual(least)
    expect(offsetOf(answer)).toBeLessThanOrEqual(most)
    this.offset = offsetOf(answer)
    expect(answer.headers.get('upload-length')).toBe(this.isLengthTold ? String(this.bytes.length) : null)
  }

  #piece(bytes: number): Buffer {
    return this.bytes.subarray(this.offset, this.offset + bytes)
  }
}

const checksumOf = (bytes: Uint8Array) => `sha1 ${createHash('sha1').update(bytes).digest('base64')}`

/** What chance comes upon too seldom. */
const examples: [number, boolean, Step[]][] = [
  [0, true, [{ kind: 'append', bytes: 0, isChunked: false, tellsLength: true, checksum: 'wrong' }]],
]

test('whatever is done to an upload in whatever order, it behaves as the protocol says, and its file is whole', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat({ max: source.length }),
      fc.boolean(),
      fc.array(steps, { minLength: 1, maxLength: 12 }),
      async (length, isDeferred, sequence) => {
        const domain = await makeDomain()
        const url = await created(domain, isDeferred ? null : length)
        const model = new Model(domain, url, source.subarray(0, length), !isDeferred)
        for (const step of sequence) await model.do(step)
        await model.finish()
      },
    ),
    { numRuns: runs, endOnFailure: true, examples },
  )
})
