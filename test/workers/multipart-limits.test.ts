import { describe, expect, test } from 'vitest'
import { defaultLimits, MultipartError, type MultipartLimits, MultipartReader } from '../../src/multipart/index.ts'
import { byBlocks, bySkipping, byText, type Consumer, chunked, concatenate, readForm } from '../multipart/bodies.ts'
import { latin1 } from '../multipart/fixtures/fixture.ts'

const field = (value = 'x', headers = '') =>
  latin1(`--b\r\nContent-Disposition: form-data; name=a${headers}\r\n\r\n${value}\r\n`)
const file = (value = 'x') => field(value, '; filename=""')
const end = latin1('--b--\r\n')

const read = (
  pieces: Uint8Array[],
  limits: Partial<MultipartLimits>,
  sizes: number[],
  consumer: Consumer = bySkipping,
) => readForm(chunked(concatenate([...pieces, end]), sizes), 'b', [consumer], limits)

/** Bytes from the boundary to the body in `field()`. */
const headerBytes = '\r\nContent-Disposition: form-data; name=a\r\n\r\n'.length
const times = (count: number, piece: Uint8Array) => Array.from({ length: count }, () => piece)

describe('one below and at the limit is read, one above is refused with its numbers', () => {
  const cases: [keyof MultipartLimits, string, number, (size: number) => Uint8Array[], Consumer][] = [
    ['parts', 'too-many-parts', 3, (size) => times(size, field()), bySkipping],
    ['files', 'too-many-files', 3, (size) => [field(), ...times(size, file()), field()], bySkipping],
    ['fieldBytes', 'field-too-large', 10, (size) => [field('x'.repeat(size))], byText],
    ['fieldBytes', 'field-too-large', 20_000, (size) => [field('x'.repeat(size))], byText],
    [
      'headerBytes',
      'headers-too-large',
      200,
      (size) => [field(), field('x', `;${' '.repeat(size - headerBytes - 1)}`)],
      bySkipping,
    ],
    [
      'headerBytes',
      'headers-too-large',
      20_000,
      (size) => [latin1(`--b${' '.repeat(size - headerBytes)}`), field().subarray(3)],
      bySkipping,
    ],
    ['headersPerPart', 'too-many-headers', 4, (size) => [field('x', '\r\nX: y'.repeat(size - 1))], bySkipping],
    [
      'totalBytes',
      'body-too-large',
      300,
      (size) => [file('x'.repeat(size - file('').length - end.length))],
      byBlocks(7),
    ],
    [
      'totalBytes',
      'body-too-large',
      9000,
      (size) => [latin1('p'.repeat(size - end.length - 2)), latin1('\r\n')],
      bySkipping,
    ],
  ]
  test.each(cases)('%s: %s at %i', async (name, code, limit, body, consumer) => {
    for (const sizes of [[], [1], [64]]) {
      const limits = { [name]: limit }
      await read(body(limit - 1), limits, sizes, consumer)
      await read(body(limit), limits, sizes, consumer)
      const error = await read(body(limit + 1), limits, sizes, consumer).catch((error: unknown) => error)
      expect(error).toBeInstanceOf(MultipartError)
      expect(error).toMatchObject({ code, limit, message: expect.stringContaining(String(limit)) })
      const { value } = error as MultipartError
      if (value !== undefined) expect(value).toBeGreaterThan(limit)
    }
  })

  test('zero', async () => {
    expect(await read([], { parts: 0, files: 0 }, [])).toEqual([])
    await expect(read([field()], { parts: 0 }, [])).rejects.toMatchObject({ code: 'too-many-parts' })
    expect((await read([field('')], { fieldBytes: 0 }, [], byText))[0]?.body).toEqual(latin1(''))
    await expect(read([field()], { fieldBytes: 0 }, [], byText)).rejects.toMatchObject({ code: 'field-too-large' })
  })
})

test('the epilogue counts as part of the whole, and is not kept', async () => {
  const body = concatenate([field(), end, latin1('e'.repeat(1_000_000))])
  const source = chunked(body, [])
  await readForm(source, 'b', [bySkipping])
  expect(source.longestMemory).toBe(64 * 1024)
  const reading = readForm(chunked(body, []), 'b', [bySkipping], { totalBytes: body.length - 1 })
  await expect(reading).rejects.toMatchObject({ code: 'body-too-large' })
})

test('a header without end is refused before it is kept', async () => {
  const source = chunked(latin1(`--b\r\nX: ${'x'.repeat(5_000_000)}`), [])
  const reader = new MultipartReader(source, 'b')
  await expect(reader.next()).rejects.toMatchObject({ code: 'headers-too-large', limit: defaultLimits.headerBytes })
  await expect(reader.next()).rejects.toMatchObject({ code: 'headers-too-large' })
  expect(source.longestMemory).toBeLessThanOrEqual(64 * 1024)
})

test('a field too large can be passed', async () => {
  const body = concatenate([field('x'.repeat(100_000)), field('y'), end])
  const reader = new MultipartReader(chunked(body, []), 'b', { fieldBytes: 10 })
  await expect((await reader.next())!.text()).rejects.toMatchObject({ code: 'field-too-large' })
  expect(await (await reader.next())!.text()).toBe('y')
})

test('a limit that is no count is refused, since it would switch itself off', () => {
  for (const limit of [Number.NaN, -1]) {
    expect(() => new MultipartReader(chunked(end, []), 'b', { parts: limit })).toThrow(RangeError)
  }
  expect(() => new MultipartReader(chunked(end, []), 'b', { totalBytes: Number.POSITIVE_INFINITY })).not.toThrow()
})
