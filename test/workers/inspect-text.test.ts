import { Buffer } from 'node:buffer'
import { describe, expect, test } from 'vitest'
import { factsOf, inspected, SparseObject } from '../support/workers/inspected.ts'
import * as samples from '../support/workers/samples.ts'

const utf16le = (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le')
const utf16be = (text: string) => utf16le(text).swap16()

describe('what a text is', () => {
  test.each([
    ['nothing', Buffer.alloc(0), 'utf-8', 0, 'none'],
    ['one character', Buffer.from('a'), 'utf-8', 1, 'none'],
    ['one line without an end', Buffer.from('abc'), 'utf-8', 1, 'none'],
    ['one line', Buffer.from('abc\n'), 'utf-8', 1, 'lf'],
    ['empty lines', Buffer.from('\n\n'), 'utf-8', 2, 'lf'],
    ['lines of Windows', Buffer.from('a\r\nb\r\n'), 'utf-8', 2, 'crlf'],
    ['lines of old Macs', Buffer.from('a\rb\rc'), 'utf-8', 3, 'cr'],
    ['all of them', Buffer.from('a\r\nb\nc\rd'), 'utf-8', 4, 'mixed'],
    ['a mark at its beginning', Buffer.from('\ufeffa\nb'), 'utf-8', 2, 'lf'],
    ['a code page', samples.windows1252, null, 2, 'crlf'],
    ['UTF-16', utf16le('Ċ\r\nb਍\n'), null, 2, 'mixed'],
    ['UTF-16 the other way round', utf16be('a\r\nb\r\nc'), null, 3, 'crlf'],
    ['UTF-16 of nothing', utf16le(''), null, 0, 'none'],
  ] as const)('%s', async (_name, content, charset, lines, lineEnds) => {
    const encoding = charset ?? (content[0] === 0xff ? 'utf-16le' : content[0] === 0xfe ? 'utf-16be' : 'unknown-8bit')
    for (const pieceBytes of [1, 2, 3, 1000]) {
      const { text } = await factsOf('text/plain', content, { charset, pieceBytes })
      expect(text, `in pieces of ${pieceBytes}`).toEqual({ encoding, lines, lineEnds })
    }
  })

  test('what is no text has no lines', async () => {
    expect(await factsOf('application/octet-stream', Buffer.from('a\nb'))).not.toHaveProperty('text')
  })

  test('a text of 120 MB is read once', async () => {
    const line = Buffer.from('a line\r\n')
    const object = new SparseObject(120_000_000, [0, line], [50_000_000, line], [119_999_992, line])
    const { inspection, rangesRead } = await inspected('text/csv', object, { pieceBytes: 1024 * 1024 })
    expect(inspection).toMatchObject({ facts: { text: { encoding: 'unknown-8bit', lines: 3, lineEnds: 'crlf' } } })
    expect(rangesRead).toEqual([])
  })
})
