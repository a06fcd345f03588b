import { boundaryOf, MultipartError, MultipartReader } from '../../src/multipart/index.ts'
import { byBlocks, byBuffers, byLeaving, bySkipping, type Consumer, chunked, concatenate } from './bodies.ts'
import { latin1 } from './fixtures/fixture.ts'
import { handmade } from './fixtures/handmade.ts'
import { recorded } from './fixtures/recorded.ts'
import { namesNaively, parseNaively } from './naive-parser.ts'

/** Random numbers from 0 up to, not including, `below`. */
export type Random = (below: number) => number

/** Mulberry32: small, and the same everywhere for the same seed. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

export interface FuzzCase {
  /** Gives this case again: `mutatedBody(seed)`. */
  seed: number
  boundary: string
  body: Uint8Array
}

const bases = [...recorded, ...handmade].map(({ contentType, body }) => ({ boundary: boundaryOf(contentType), body }))

const shortBase = {
  boundary: 'b',
  body: latin1(
    '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n' +
      '--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n\r\n--b--\r\n',
  ),
}

/** One body: a fixture, or a short form, with one to six mutations. */
export function mutatedBody(seed: number): FuzzCase {
  const random = randomFrom(seed)
  const { boundary, body } = random(3) === 0 ? shortBase : (bases[random(bases.length)] as typeof shortBase)
  const words = [
    ...['\r\n', '\n', '\r', '\0', '"', '\\', '\\"', '\\\\', '%22', '%0D%0A', ';', '=', ':', '--', ' ', '\t', '\xff'],
    ...[`--${boundary}`, `\r\n--${boundary}`, `\r\n--${boundary}\r\n`, `\r\n--${boundary}--`, `--${boundary}--`],
    ...[
      '\r\n\r\n',
      '\r\n ',
      "filename*=UTF-8''%41",
      "name*=x''%",
      'name="',
      '; filename=',
      '_charset_',
      'filename*0=a',
    ],
    `\r\n--${boundary}\r\nContent-Disposition: form-data; name=n\r\n\r\n`,
    'Content-Transfer-Encoding: base64\r\n',
    '\r'.repeat(random(200)),
    `\r\n--${boundary.slice(0, -1)}`.repeat(random(40)),
    '"\\'.repeat(random(3000)),
    'x'.repeat(random(20_000)),
    'H: v\r\n'.repeat(random(60)),
  ].map(latin1)
  let bytes: Uint8Array = body
  for (let mutations = 1 + random(6); mutations > 0; mutations--) {
    const at = random(bytes.length + 1)
    // Most headers are near the start of something: half of the places are just around a hyphen or a quote.
    const near = random(2) === 0 ? at : Math.max(bytes.indexOf([0x2d, 0x22][random(2)] as number, at), 0)
    const length = random(4) === 0 ? random(bytes.length) : random(8)
    const before = bytes.subarray(0, near)
    const after = bytes.subarray(Math.min(near + length, bytes.length))
    switch (random(6)) {
      case 0:
        bytes = concatenate([before, Uint8Array.of(random(256)), bytes.subarray(Math.min(near + 1, bytes.length))])
        break
      case 1:
        bytes = concatenate([before, after])
        break
      case 2:
        bytes = concatenate([bytes.subarray(0, Math.min(near + length, bytes.length)), bytes.subarray(near)])
        break
      case 3:
        bytes = random(4) === 0 ? before : concatenate([after, before])
        break
      default:
        bytes = concatenate([before, words[random(words.length)] as Uint8Array, bytes.subarray(near)])
    }
    if (bytes.length > 200_000) bytes = bytes.subarray(0, 200_000)
  }
  return { seed, boundary, body: bytes }
}

/** Whatever is wrong with a field's text, the parts behind it can still be read. */
const byTryingText: Consumer = async (part) => {
  await part.text().catch((error) => {
    if (!(error instanceof MultipartError)) throw error
  })
  return null
}

/** The codes that the naive parser knows too; it has no limits, and reads headers only to their end. */
const structural = new Set(['truncated', 'delimiter-malformed', 'bare-line-feed'])

/** What came of a case: accepted, or the code of its refusal. Throws when the parser did anything wrong. */
export async function checkCase({ seed, boundary, body }: FuzzCase): Promise<string> {
  const random = randomFrom(seed ^ 0x5eed)
  const sizes = Array.from(
    { length: 1 + random(5) },
    () => [random(3), random(100), random(10_000)][random(3)] as number,
  )
  sizes.push(1 + random(5000))
  const block = 1 + ([random(10), random(5000), random(50_000)][random(3)] as number)
  const consumers = [byBuffers(block), byBlocks(block), bySkipping, byLeaving(random(3) * block), byTryingText]
  const source = chunked(body, sizes)
  const text = Array.from(body, (byte) => String.fromCharCode(byte)).join('')
  const naive = parseNaively(text, boundary)
  const parts: { name: string; filename: string | undefined; starred: boolean; body: Uint8Array | null }[] = []
  let outcome = 'accepted'
  try {
    const reader = new MultipartReader(source, boundary)
    for (let part = await reader.next(); part !== null; part = await reader.next()) {
      const { name, filename } = part
      const starred = (part.headers.get('content-disposition') ?? '').includes('*')
      parts.push({ name, filename, starred, body: await (consumers[random(5)] as Consumer)(part) })
    }
  } catch (error) {
    if (!(error instanceof MultipartError)) throw error
    outcome = error.code
  }

  const fault = (problem: string) => new Error(`Fuzz case ${seed}: ${problem}`)
  if (source.longestMemory > Math.max(2 * block, 64 * 1024)) throw fault(`memory of ${source.longestMemory} bytes`)
  if ('refused' in naive) {
    if (outcome === 'accepted') throw fault(`accepted, though ${naive.refused}`)
    // A fault in an earlier header may end it first, but never another structural one, nor as another.
    if (structural.has(outcome) && outcome !== naive.refused && outcome !== 'bare-line-feed') {
      throw fault(`${outcome}, not ${naive.refused}`)
    }
    return outcome
  }
  if (outcome === 'truncated' || outcome === 'delimiter-malformed') throw fault(`${outcome}, though well-formed`)
  if (outcome === 'accepted' && parts.length !== naive.parts.length) throw fault(`${parts.length} parts`)
  for (const [index, part] of parts.entries()) {
    const expected = naive.parts[index]
    if (expected === undefined) throw fault('a part too many')
    if (part.body !== null && !equal(part.body, latin1(expected.body))) throw fault(`part ${index + 1} has wrong bytes`)
    const names = namesNaively(expected.head)
    // What is not ASCII has a charset, which the naive parser knows nothing of.
    if (part.starred || /[^\t\r\n -~]/.test(expected.head)) continue
    if (part.name !== names.name || part.filename !== names.filename) {
      throw fault(`part ${index + 1} is ${JSON.stringify([part.name, part.filename])}, not ${JSON.stringify(names)}`)
    }
  }
  return outcome
}

function equal(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index])
}

/** Runs `count` cases from `seed` on, and counts what came of them. */
export async function fuzz(seed: number, count: number): Promise<Map<string, number>> {
  const outcomes = new Map<string, number>()
  for (let at = 0; at < count; at++) {
    const outcome = await checkCase(mutatedBody(seed + at))
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
  }
  return outcomes
}
