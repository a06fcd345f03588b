import { Buffer } from 'node:buffer'
import { describe, expect, test } from 'vitest'
import { boundaryOf, MultipartReader } from '../../src/multipart/index.ts'
import { byBlocks, chunked, concatenate, readForm } from '../multipart/bodies.ts'
import { latin1, utf8 } from '../multipart/fixtures/fixture.ts'
import { handmade } from '../multipart/fixtures/handmade.ts'
import { recorded } from '../multipart/fixtures/recorded.ts'
import { regressions } from '../multipart/fixtures/regressions.ts'

/** A body of one part with these headers, in UTF-8. */
const withHeaders = (headers: string) => concatenate([utf8(`--b\r\n${headers}\r\n\r\nx\r\n--b--\r\n`)])

async function partWith(headers: string) {
  const part = (await new MultipartReader(chunked(withHeaders(headers), []), 'b').next())!
  return { name: part.name, filename: part.filename, contentType: part.contentType, headers: part.headers, part }
}

const disposition = (parameters: string) => partWith(`Content-Disposition: form-data; ${parameters}`)

describe('bodies as clients write them', () => {
  test.each([...recorded, ...handmade])('$client', async ({ contentType, body, parts }) => {
    for (const sizes of [[], [1], [5, 1000]]) {
      const reader = new MultipartReader(chunked(body, sizes), boundaryOf(contentType))
      for (const expected of parts) {
        const part = (await reader.next())!
        expect({ name: part.name, filename: part.filename, contentType: part.contentType }).toEqual({
          name: expected.name,
          filename: expected.filename,
          contentType: expected.contentType,
        })
        if (typeof expected.value === 'string') expect(await part.text()).toBe(expected.value)
        else expect(Buffer.compare((await byBlocks(100)(part))!, expected.value)).toBe(0)
      }
      expect(await reader.next()).toBeNull()
    }
  })

  test.each(regressions)('$what', async ({ boundary, body, expected }) => {
    for (const sizes of [[], [1], [3, 4]]) {
      const read = readForm(chunked(body, sizes), boundary, [byBlocks(3)])
      if (typeof expected === 'string') await expect(read).rejects.toMatchObject({ code: expected })
      else expect((await read).map(({ body }) => Buffer.from(body!).toString('latin1'))).toEqual(expected)
    }
  })
})

describe('the boundary in a Content-Type', () => {
  test.each([
    ['multipart/form-data; boundary=abc', 'abc'],
    ['multipart/form-data;boundary=abc', 'abc'],
    ['Multipart/Form-Data; charset=utf-8; BOUNDARY="a b"', 'a b'],
    ['multipart/form-data; boundary="a\\"b\\\\c"', 'a"b\\c'],
    ["multipart/form-data; boundary='()+_,-./:=?", "'()+_,-./:=?"],
    ['multipart/form-data; boundary=----=_Part_1; x="; boundary=no"', '----=_Part_1'],
    ['multipart/form-data ; boundary = "abc" ; ', 'abc'],
    ['multipart/form-data; boundary=a%22b', 'a%22b'],
    [`multipart/form-data; boundary=${'x'.repeat(70)}`, 'x'.repeat(70)],
  ])('%s', (contentType, boundary) => {
    expect(boundaryOf(contentType)).toBe(boundary)
  })

  test.each([
    [null, 'not-multipart'],
    ['', 'not-multipart'],
    ['text/plain; boundary=abc', 'not-multipart'],
    ['multipart/mixed; boundary=abc', 'not-multipart'],
    ['multipart/form-data-x; boundary=abc', 'not-multipart'],
    ['multipart/form-data', 'boundary-missing'],
    ['multipart/form-data; charset=utf-8', 'boundary-missing'],
    ['multipart/form-data; boundary=', 'boundary-invalid'],
    ['multipart/form-data; boundary=""', 'boundary-invalid'],
    ['multipart/form-data; boundary', 'boundary-invalid'],
    ['multipart/form-data; boundary="abc', 'boundary-invalid'],
    ['multipart/form-data; boundary="abc "', 'boundary-invalid'],
    ['multipart/form-data; boundary=a b', 'boundary-invalid'],
    ['multipart/form-data; boundary=a; boundary=b', 'boundary-invalid'],
    ['multipart/form-data; boundary=a, multipart/form-data; boundary=b', 'boundary-invalid'],
    ['multipart/form-data; boundary="a\r\nb"', 'boundary-invalid'],
    ['multipart/form-data; boundary=ä', 'boundary-invalid'],
    [`multipart/form-data; boundary=${'x'.repeat(71)}`, 'boundary-invalid'],
  ])('%s is refused', (contentType, code) => {
    expect(() => boundaryOf(contentType)).toThrow(expect.objectContaining({ name: 'MultipartError', code }))
  })

  test('the reader checks it too', () => {
    expect(() => new MultipartReader(chunked(latin1(''), []), 'a\r\nb')).toThrow(
      expect.objectContaining({ code: 'boundary-invalid' }),
    )
  })
})

describe('names and filenames', () => {
  test.each([
    ['name="a"', 'a', undefined],
    ['name=a', 'a', undefined],
    ['name = "a" ; filename = "f" ;', 'a', 'f'],
    [';; NAME="a";FileName=f', 'a', 'f'],
    ['filename="f"; name="a"', 'a', 'f'],
    ['name=""; filename=""', '', ''],
    ['name=; filename=', '', ''],
    ['name="a;b=c"; filename="; name=x"', 'a;b=c', '; name=x'],
    ['name="größe"; filename="日本.txt"', 'größe', '日本.txt'],
    ['name="__proto__"; filename="constructor"', '__proto__', 'constructor'],
    // WHATWG: these three, in capitals, and no other percent sign.
    ['name="a%22b%0D%0Ac"; filename="%22%22"', 'a"b\r\nc', '""'],
    ['name="100%"; filename="%20%2522%0a%00.txt"', '100%', '%20%2522%0a%00.txt'],
    // Backslashes: as curl and Go escape, and as browsers and old ones leave them.
    ['name="a\\"b\\\\c"; filename="\\\\"', 'a"b\\c', '\\'],
    ['filename="f\\\\"; name="a"', 'a', 'f\\'],
    ['name="a"; filename="C:\\dir\\new.txt"', 'a', 'C:\\dir\\new.txt'],
    ['name="a"; filename="C:\\dir\\"', 'a', 'C:\\dir\\'],
    ['name="a"; filename="\\\\server\\share\\f.txt"', 'a', '\\server\\share\\f.txt'],
    ['name="a"; filename="\\"', 'a', '\\'],
    // RFC 8187, whichever comes first.
    ["name=a; filename=plain; filename*=UTF-8''na%C3%AFve%20%22.txt", 'a', 'naïve ".txt'],
    ["name=a; filename*=utf-8'en'%e2%82%ac.txt; filename=plain", 'a', '€.txt'],
    ["name=a; filename*=iso-8859-1''%e4.txt", 'a', 'ä.txt'],
    ['name=a; filename*="UTF-8\'\'x%22.txt"', 'a', 'x".txt'],
    ["name*=UTF-8''gr%C3%B6%C3%9Fe", 'größe', undefined],
    // What cannot be decoded gives way to the plain one (RFC 6266 §4.3).
    ["name=a; filename=plain; filename*=UTF-8''%ff", 'a', 'plain'],
    ["name=a; filename=plain; filename*=UTF-8''%zz", 'a', 'plain'],
    ["name=a; filename=plain; filename*=iso-8859-1''%zz", 'a', 'plain'],
    ["name=a; filename=plain; filename*=koi8-r''%ff", 'a', 'plain'],
    ['name=a; filename=plain; filename*=x', 'a', 'plain'],
  ])('%s', async (parameters, name, filename) => {
    expect(await disposition(parameters)).toMatchObject({ name, filename })
  })

  test.each([
    ['name="a', 'header-malformed'],
    ['name="a"b', 'header-malformed'],
    ['name=a"b"', 'header-malformed'],
    ['name=a b', 'header-malformed'],
    ['name', 'header-malformed'],
    ['=a', 'header-malformed'],
    ['name=a; name=b', 'header-malformed'],
    ['name=a; filename=b; FILENAME=c', 'header-malformed'],
    ["name=a; filename*=koi8-r''x", 'header-malformed'],
    ["name=a; filename*=UTF-8''a%00b", 'header-malformed'],
    ['name=a; filename*0=x; filename*1=y', 'header-malformed'],
    ["name=a; filename*0*=UTF-8''x", 'header-malformed'],
    ['filename=f', 'name-missing'],
    ['', 'name-missing'],
  ])('%s is refused', async (parameters, code) => {
    await expect(disposition(parameters)).rejects.toMatchObject({ code, offset: 3 })
  })
})

describe('header lines', () => {
  test('any case, any order, trimmed, folded, repeated', async () => {
    const lines = [
      'X-One: 1',
      'CONTENT-type:text/plain;',
      '  charset=utf-8\t',
      'x-one:  2 ',
      'content-DISPOSITION: Form-Data;',
      '\tname=a',
      'X-Empty:',
      'Content-Transfer-Encoding: BINARY',
    ]
    const { name, contentType, headers } = await partWith(lines.join('\r\n'))
    expect({ name, contentType }).toEqual({ name: 'a', contentType: 'text/plain;  charset=utf-8' })
    expect([...headers]).toEqual([
      ['x-one', '1, 2'],
      ['content-type', 'text/plain;  charset=utf-8'],
      ['content-disposition', 'Form-Data;\tname=a'],
      ['x-empty', ''],
      ['content-transfer-encoding', 'BINARY'],
    ])
  })

  const good = 'Content-Disposition: form-data; name=a'
  test.each([
    [`${good}\r\nno colon`, 'header-malformed'],
    [`${good}\r\n: no name`, 'header-malformed'],
    [`${good}\r\nX : space before the colon`, 'header-malformed'],
    [`${good}\r\nXä: not a token`, 'header-malformed'],
    [` folded: first\r\n${good}`, 'header-malformed'],
    [`${good}\r\nX: a\0b`, 'header-malformed'],
    [`${good}\r\nX: a\rb`, 'header-malformed'],
    [`${good}\r\nX: a\r\r\nY: b`, 'header-malformed'],
    [`${good}\r\nX: a\nY: b`, 'bare-line-feed'],
    [`${good}\r\n${good}`, 'header-duplicate'],
    [`Content-Type: a/b\r\ncontent-type: c/d\r\n${good}`, 'header-duplicate'],
    [`${good}\r\nContent-Transfer-Encoding: base64`, 'transfer-encoding-unsupported'],
    [`${good}\r\nContent-Transfer-Encoding: quoted-printable`, 'transfer-encoding-unsupported'],
    ['Content-Type: text/plain', 'name-missing'],
    ['Content-Disposition: attachment; name=a; filename=f', 'name-missing'],
    ['Content-Disposition: form-data', 'name-missing'],
    [`${good}\r\n--b`, 'header-malformed'],
  ])('%j is refused', async (headers, code) => {
    await expect(partWith(headers)).rejects.toMatchObject({ code, message: expect.stringMatching(/[Pp]art 1 /) })
  })

  test('a part without any header', async () => {
    const reader = new MultipartReader(chunked(latin1('--b\r\n\r\nx\r\n--b--'), [1]), 'b')
    await expect(reader.next()).rejects.toMatchObject({ code: 'name-missing' })
  })

  test('hostile headers cost no time', async () => {
    const filler = ['"\\', '\\', ';', '=', ' ;', ' ', '"', "'", '%', 'a=', '*=', '\t', ';name'].map((unit) =>
      unit.repeat(16_000 / unit.length),
    )
    const started = performance.now()
    for (const text of filler) {
      for (const headers of [`name="${text}`, `name=a; filename*=${text}`, `x=${text}`, text]) {
        await disposition(headers).catch(() => {})
      }
      for (const header of [text, `Content-Type: ${text}`]) await partWith(header).catch(() => {})
      expect(() => boundaryOf(`multipart/form-data; boundary="${text}`)).toThrow()
    }
    expect(performance.now() - started).toBeLessThan(2000)
  })
})

describe('the charset of text', () => {
  const field = (name: string, value: Uint8Array, contentType = '') =>
    concatenate([
      latin1(`--b\r\nContent-Disposition: form-data; name="${name}"\r\n${contentType}\r\n`),
      value,
      latin1('\r\n'),
    ])
  const end = latin1('--b--')

  async function texts(...fields: Uint8Array[]) {
    const reader = new MultipartReader(chunked(concatenate([...fields, end]), [9]), 'b')
    const found: string[] = []
    for (let part = await reader.next(); part !== null; part = await reader.next()) found.push(await part.text())
    return found
  }

  const sjis = latin1('\x95\x5c')

  test('UTF-8 by default; what is not becomes U+FFFD, and a byte order mark stays', async () => {
    expect(await texts(field('a', utf8('größe')), field('b', latin1('\xff')), field('c', utf8('\ufeffx')))).toEqual([
      'größe',
      '\ufffd',
      '\ufeffx',
    ])
  })

  test('of the part, else of the form, for the fields behind it', async () => {
    const named = field('_charset_', latin1('Shift_JIS'))
    const latin = 'Content-Type: text/plain; charset="ISO-8859-1"\r\n'
    expect(
      await texts(field('before', latin1('a')), named, field('after', sjis), field('own', latin1('\xfc'), latin)),
    ).toEqual(['a', 'Shift_JIS', '表', 'ü'])
    expect(await texts(field('_charset_', latin1('')), field('a', utf8('ü')))).toEqual(['', 'ü'])
  })

  test('of the form, also when nobody read the field, and for names', async () => {
    const body = concatenate([field('_charset_', latin1('Shift_JIS')), field('\x95\x5c', sjis), end])
    for (const skip of [true, false]) {
      const reader = new MultipartReader(chunked(body, []), 'b')
      const first = (await reader.next())!
      if (skip) await first.skip()
      const second = (await reader.next())!
      expect([second.name, await second.text()]).toEqual(['表', '表'])
    }
  })

  test('unknown: refused where text is asked for, and the reader goes on', async () => {
    const body = concatenate([
      field('_charset_', latin1('x-none')),
      field('a', latin1('1')),
      field('b', latin1('2')),
      end,
    ])
    const reader = new MultipartReader(chunked(body, []), 'b')
    await reader.next()
    const part = (await reader.next())!
    await expect(part.text()).rejects.toMatchObject({ code: 'charset-unknown' })
    expect((await reader.next())?.name).toBe('b')
    await expect(texts(field('a', sjis, 'Content-Type: text/plain; charset=x\r\n'))).rejects.toMatchObject({
      code: 'charset-unknown',
    })
    // A Content-Type that cannot be read names no charset.
    expect(await texts(field('a', latin1('1'), 'Content-Type: text/plain; charset="\r\n'))).toEqual(['1'])
  })
})
