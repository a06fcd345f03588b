import fc from 'fast-check'
import type { ModelForm } from './bodies.ts'
import { latin1 } from './fixtures/fixture.ts'

/** All of RFC 2046's boundary characters, and some of the 70 lengths. */
const boundaryCharacters = "0123456789abcxyzABCXYZ'()+_,-./:=?"
export const boundaries = fc.oneof(
  fc.constantFrom('b', '-', '--', '----WebKitFormBoundaryABC', 'x'.repeat(70)),
  fc.string({ unit: fc.constantFrom(...boundaryCharacters), minLength: 1, maxLength: 70 }),
)

/** Bodies made of what a delimiter is made of; whole delimiters are taken out again. */
function nearBoundaries(boundary: string): fc.Arbitrary<string> {
  const pieces = [
    '\r',
    '\n',
    '\r\n',
    '-',
    '--',
    '\r\n-',
    '\r\n--',
    `--${boundary}`,
    boundary,
    boundary.slice(0, -1),
    'x',
  ]
  pieces.push(
    `\r\n--${boundary.slice(0, -1)}`,
    `\r\n--${boundary.slice(0, boundary.length >> 1)}`,
    '\r\n\r\n',
    '\r\r\n--',
  )
  return fc.array(fc.constantFrom(...pieces), { maxLength: 40 }).map((words) => words.join(''))
}

/** No body may hold its own delimiter, nor begin with it: the blank line's CRLF would complete it. */
export function withoutDelimiter(text: string, boundary: string): string {
  let free = `\r\n${text}\r\n`
  const delimiter = `\r\n--${boundary}`
  for (let at = free.indexOf(delimiter); at >= 0; at = free.indexOf(delimiter)) {
    free = `${free.slice(0, at + 2)}x${free.slice(at + 2)}`
  }
  return free.slice(2, -2)
}

/** Sizes about those at which the reader's memory is full: 8 KiB, 64 KiB, and one more or less. */
const sizesAround = fc
  .tuple(
    fc.constantFrom(0, 1, 1, 100, 100, 4096, 4096, 8192, 8192, 16_384, 65_536),
    fc.integer({ min: -200, max: 200 }),
  )
  .map(([size, off]) => Math.max(size + off, 0))

const names = fc.oneof(
  fc.constantFrom('file', '', 'a "b"', 'two\r\nlines', '100%', 'naïve 日本', '__proto__'),
  fc
    .string({ unit: 'grapheme', maxLength: 20 })
    .map((text) => text.replace(/[\0\\]|%(?=22|0D|0A)|[\uD800-\uDFFF]/gu, '')),
)

/** A form of at most six parts, its bodies ASCII so that any consumer can read them. */
export const forms: fc.Arbitrary<ModelForm> = boundaries.chain((boundary) => {
  const bodies = fc.oneof(
    nearBoundaries(boundary),
    sizesAround.map((size) => 'x'.repeat(size)),
    fc.tuple(sizesAround, nearBoundaries(boundary)).map(([size, tail]) => 'y'.repeat(size) + tail),
  )
  const part = fc.record(
    {
      name: names,
      filename: names,
      contentType: fc.constantFrom('text/plain', 'application/octet-stream'),
      body: bodies.map((text) => latin1(withoutDelimiter(text, boundary))),
    },
    { requiredKeys: ['name', 'body'] },
  )
  return fc.record({
    boundary: fc.constant(boundary),
    preamble: fc
      .constantFrom('', 'A preamble.', '--', '\r\n', 'x'.repeat(9000))
      .map((text) => withoutDelimiter(text, boundary)),
    epilogue: fc.constantFrom(
      '',
      '\r\n',
      '\r\nAn epilogue.',
      ' \t\r\n',
      `\r\n--${boundary}\r\n`,
      '\r\n'.repeat(10_000),
    ),
    parts: fc.array(part, { maxLength: 6 }),
    padding: fc.constantFrom('', '', ' ', ' \t '),
  })
})

/** How a source cuts the bytes; a zero is a read without any. */
export const chunkings: fc.Arbitrary<number[]> = fc.oneof(
  fc.constantFrom<number[]>([1], [], [2], [0, 1], [4096], [65_536]),
  fc
    .array(fc.oneof(fc.integer({ min: 0, max: 20 }), sizesAround), { minLength: 1, maxLength: 8 })
    .map((sizes) => [...sizes, 7]),
)
