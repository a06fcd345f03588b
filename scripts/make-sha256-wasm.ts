import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Writes `src/ingest/sha256.wasm`: the compression function of SHA-256 (FIPS 180-4 §6.2.2), its rounds written out, with
 * everything it works on in local variables. It exports `memory`, whose first 32 bytes are the state (eight words, least
 * byte first), and `compress(at, blocks)`, which takes up that many blocks of 64 bytes.
 *
 * Run it with `node scripts/make-sha256-wasm.ts` after a change; a test holds the file against what this makes.
 */

// Instructions (WebAssembly 2.0 §5.4).
const get = (local: number) => [0x20, ...unsigned(local)]
const set = (local: number) => [0x21, ...unsigned(local)]
const constant = (value: number) => [0x41, ...signed(value | 0)]
const load = (offset: number) => [0x28, 2, ...unsigned(offset)]
const store = (offset: number) => [0x36, 2, ...unsigned(offset)]
const [add, sub, and, or, xor, shiftRight, rotateLeft, rotateRight] = [0x6a, 0x6b, 0x71, 0x72, 0x73, 0x76, 0x77, 0x78]
const [loop, end, branchIf, noResult, i32, functionType] = [0x03, 0x0b, 0x0d, 0x40, 0x7f, 0x60]

// Local variables: the two parameters, the state, sixteen words of the schedule, and one to reckon with.
const [at, blocks, sum] = [0, 1, 26]
const stateAt = (index: number) => 2 + ((index + 64) % 8)
const wordAt = (index: number) => 10 + (index % 16)

const rotated = (local: number, bits: number) => [...get(local), ...constant(bits), rotateRight]
const shifted = (local: number, bits: number) => [...get(local), ...constant(bits), shiftRight]

/** The word at this place of the block, which has its first byte first. */
const readWord = (index: number) => {
  const word = wordAt(index)
  const half = (turn: number, mask: number) => [...get(word), ...constant(8), turn, ...constant(mask), and]
  const turned = [...half(rotateLeft, 0x00ff00ff), ...half(rotateRight, 0xff00ff00), or]
  return [...get(at), ...load(index * 4), ...set(word), ...turned, ...set(word)]
}

/** The word of the schedule for a round after the first sixteen, in place of the one that is not needed any more. */
const scheduleWord = (index: number) => {
  const [before15, before2] = [wordAt(index - 15), wordAt(index - 2)]
  const small0 = [...rotated(before15, 7), ...rotated(before15, 18), xor, ...shifted(before15, 3), xor]
  const small1 = [...rotated(before2, 17), ...rotated(before2, 19), xor, ...shifted(before2, 10), xor]
  const rest = [...small0, add, ...get(wordAt(index - 7)), add, ...small1, add]
  return [...get(wordAt(index)), ...rest, ...set(wordAt(index))]
}

/** One round. The variables take turns instead of handing their values on. */
const round = (index: number, roundConstant: number) => {
  const [a, b, c, d] = [stateAt(-index), stateAt(1 - index), stateAt(2 - index), stateAt(3 - index)]
  const [e, f, g, h] = [stateAt(4 - index), stateAt(5 - index), stateAt(6 - index), stateAt(7 - index)]
  const large1 = [...rotated(e, 6), ...rotated(e, 11), xor, ...rotated(e, 25), xor]
  const choice = [...get(f), ...get(g), xor, ...get(e), and, ...get(g), xor]
  const large0 = [...rotated(a, 2), ...rotated(a, 13), xor, ...rotated(a, 22), xor]
  const majority = [...get(a), ...get(b), and, ...get(a), ...get(b), or, ...get(c), and, or]
  return [
    ...[...get(h), ...large1, add, ...choice, add],
    ...[...constant(roundConstant), add, ...get(wordAt(index)), add, ...set(sum)],
    ...[...get(d), ...get(sum), add, ...set(d)],
    ...[...get(sum), ...large0, add, ...majority, add, ...set(h)],
  ]
}

/** The first 32 bits of the fractions of the cube roots of the first 64 primes (§4.2.2). */
function roundConstants(): number[] {
  const primes: number[] = []
  for (let candidate = 2; primes.length < 64; candidate++) {
    if (primes.every((prime) => candidate % prime !== 0)) primes.push(candidate)
  }
  // In whole numbers: floor(cbrt(p) * 2^32) is the cube root of p * 2^96, by bisection.
  return primes.map((prime) => {
    const cube = BigInt(prime) << 96n
    let [low, high] = [0n, 1n << 36n]
    while (high - low > 1n) {
      const middle = (low + high) >> 1n
      if (middle ** 3n <= cube) low = middle
      else high = middle
    }
    return Number(low & 0xffff_ffffn)
  })
}

function compressBody(): number[] {
  const eight = Array.from({ length: 8 }, (_, index) => index)
  const code = [
    ...[loop, noResult],
    ...Array.from({ length: 16 }, (_, index) => readWord(index)).flat(),
    ...eight.flatMap((index) => [...constant(0), ...load(index * 4), ...set(stateAt(index))]),
    ...roundConstants().flatMap((value, index) => [...(index < 16 ? [] : scheduleWord(index)), ...round(index, value)]),
    ...eight.flatMap((index) => {
      const place = constant(0)
      return [...place, ...place, ...load(index * 4), ...get(stateAt(index)), add, ...store(index * 4)]
    }),
    ...[...get(at), ...constant(64), add, ...set(at)],
    ...[...get(blocks), ...constant(1), sub, ...set(blocks), ...get(blocks), branchIf, 0],
    ...[end, end],
  ]
  const locals = [1, ...unsigned(sum - 1), i32]
  return [...locals, ...code]
}

/** The bytes of the module (§5.5). The memory holds the state and 64 KiB of input behind its first page. */
export function makeSha256Wasm(): Uint8Array {
  const body = compressBody()
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, functionType, 2, i32, i32, 0]),
    ...section(3, [1, 0]),
    ...section(5, [1, 1, 2, 2]),
    ...section(7, [2, ...name('memory'), 2, 0, ...name('compress'), 0, 0]),
    ...section(10, [1, ...unsigned(body.length), ...body]),
  ])
}

function section(id: number, content: number[]): number[] {
  return [id, ...unsigned(content.length), ...content]
}

function name(text: string): number[] {
  return [text.length, ...Buffer.from(text)]
}

/** LEB128, unsigned (§5.2.2). */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)]
}

/** LEB128, signed. */
function signed(value: number): number[] {
  const isLast = value >= -0x40 && value < 0x40
  return isLast ? [value & 0x7f] : [(value & 0x7f) | 0x80, ...signed(value >> 7)]
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, '../src/ingest/sha256.wasm'), makeSha256Wasm())
