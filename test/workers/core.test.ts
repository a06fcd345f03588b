import { Buffer } from 'node:buffer'
import fc from 'fast-check'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { domainOfApiKey, formatApiKey } from '../../src/core/api-key.ts'
import { maxAttempts, publishIntervalSeconds, retryDelaySeconds } from '../../src/core/backoff.ts'
import { parseRange } from '../../src/core/byte-range.ts'
import { digestAlgorithms, joinDigests, parseDigestField, reprDigest } from '../../src/core/digest.ts'
import { Refusal } from '../../src/core/errors.ts'
import { cleanFilename } from '../../src/core/filename.ts'
import { isSlug, meaningOfHost, parseHost } from '../../src/core/host.ts'
import { deduplicationId, jobSchema } from '../../src/core/job.ts'
import { essenceOf, isSafeInline, judgeType, type TextKind } from '../../src/core/media-type.ts'
import { objectKey, timeOfId } from '../../src/core/object-key.ts'
import { maxPartBytes, maxParts, maxStorableBytes, minPartBytes, partBytesFor } from '../../src/core/part-size.ts'
import { allowsType, policySchema } from '../../src/core/policy.ts'
import { fileStatuses, isTerminal, mayFollow, transitions } from '../../src/core/status.ts'
import { TimedCache } from '../../src/core/timed-cache.ts'
import { sniffBytes } from '../../src/ingest/detect-type.ts'
import { RequestBody } from '../../src/ingest/request-body.ts'
import { TextCheck } from '../../src/ingest/text-check.ts'

// One seed, so that a change is judged by the same cases twice; fast-check names the case that fails.
beforeAll(() => fc.configureGlobal({ seed: 7578, numRuns: 500 }))

const anyText = fc.string({ unit: 'binary', maxLength: 400 })

describe('hosts', () => {
  const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/)
  const hostname = fc
    .tuple(fc.array(label, { minLength: 0, maxLength: 4 }), fc.stringMatching(/^[a-z][a-z0-9]{0,10}$/))
    .map(([labels, last]) => [...labels, last].join('.'))

  test('a hostname is the same in any case, with a port, and with a trailing dot', () => {
    fc.assert(
      fc.property(hostname, fc.boolean(), fc.option(fc.nat(65535)), fc.boolean(), (host, upper, port, dot) => {
        const written = `${upper ? host.toUpperCase() : host}${dot ? '.' : ''}${port === null ? '' : `:${port}`}`
        expect(parseHost(written)).toBe(host)
      }),
    )
  })

  test('whatever is read as a hostname is one, and is read the same again', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, fc.stringMatching(/^[A-Za-z0-9.:_ -]{0,300}$/)), (text) => {
        const host = parseHost(text)
        if (host === null) return
        expect(host).toMatch(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/)
        expect(host.length).toBeLessThanOrEqual(253)
        expect(parseHost(host)).toBe(host)
      }),
    )
  })

  test.each([
    '',
    '.',
    '..',
    'a..b',
    '.a',
    'a.b..',
    '-a.b',
    'a-.b',
    'a_b.c',
    'a b.c',
    'a/b',
    'a@b.c',
    'a.b:123456',
    'a.b:65536',
    'a.0x7f',
    'a.0x',
    'a.b:x',
    'a:1:2',
    '1.2.3.4',
    '127.0.0.1:80',
    '127.1',
    '2130706433',
    '[::1]',
    '::1',
    'bücher.example',
    'a%2eb',
    'a\0b.c',
    'a\r\nb.c',
    `${'a'.repeat(64)}.b`,
    `${'abcdefg.'.repeat(32)}com`,
  ])('%j is no hostname', (text) => {
    expect(parseHost(text)).toBeNull()
    expect(meaningOfHost(text, 'example.com')).toEqual({ kind: 'none' })
  })

  test('a host under the base domain is a slug, or nothing at all', () => {
    fc.assert(
      fc.property(hostname, hostname, (host, base) => {
        const under = `${host}.${base}`
        const meaning = meaningOfHost(under, base)
        expect(meaning).toEqual(host.includes('.') ? { kind: 'none' } : { kind: 'slug', slug: host })
        expect(meaningOfHost(base, base)).toEqual({ kind: 'apex' })
      }),
    )
  })

  test.each([
    ['example.com.evil.org', { kind: 'hostname', hostname: 'example.com.evil.org' }],
    ['notexample.com', { kind: 'hostname', hostname: 'notexample.com' }],
    ['DEMO.Example.COM.:443', { kind: 'slug', slug: 'demo' }],
    ['a.b.example.com', { kind: 'none' }],
    ['-demo.example.com', { kind: 'none' }],
  ])('%s means %j', (host, meaning) => {
    expect(meaningOfHost(host, 'example.com')).toEqual(meaning)
  })

  test('a slug is one label', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, label), (text) => {
        expect(isSlug(text)).toBe(/^[a-z0-9-]{1,63}$/.test(text) && !text.startsWith('-') && !text.endsWith('-'))
      }),
    )
    expect(isSlug('a\n')).toBe(false)
  })
})

describe('byte ranges', () => {
  test('every answer lies inside the file', () => {
    const header = fc.oneof(
      fc.stringMatching(/^bytes=\d{0,6}-\d{0,6}$/),
      fc.stringMatching(/^(bytes|items)? ?=? ?[\d,-]{0,12}$/),
      anyText,
    )
    fc.assert(
      fc.property(header, fc.nat(2000), (text, size) => {
        const range = parseRange(text, size)
        if (range.kind !== 'part') return
        expect(range.length).toBeGreaterThan(0)
        expect(range.offset).toBeGreaterThanOrEqual(0)
        expect(range.offset + range.length).toBeLessThanOrEqual(size)
      }),
    )
  })

  test('the bytes are those that slicing gives', () => {
    fc.assert(
      fc.property(fc.nat(300), fc.nat(400), fc.nat(400), (size, first, last) => {
        const bytes = Uint8Array.from({ length: size }, (_, index) => index)
        const read = (header: string) => {
          const range = parseRange(header, size)
          return range.kind === 'part' ? [...bytes.subarray(range.offset, range.offset + range.length)] : range.kind
        }
        const expected = (slice: Uint8Array) => (slice.length === 0 ? 'unsatisfiable' : [...slice])
        expect(read(`bytes=${first}-`)).toEqual(expected(bytes.slice(first)))
        expect(read(`bytes=-${last}`)).toEqual(expected(last === 0 ? bytes.slice(size) : bytes.slice(-last)))
        if (last >= first) expect(read(`bytes=${first}-${last}`)).toEqual(expected(bytes.slice(first, last + 1)))
        else expect(read(`bytes=${first}-${last}`)).toBe('whole')
      }),
    )
  })

  test.each([
    null,
    undefined,
    '',
    'bytes',
    'bytes=',
    'bytes=-',
    'bytes=a-b',
    'bytes=0-1,3-4',
    'items=0-1',
    'bytes=1.0-2',
    'bytes=0x1-2',
    'bytes=--1',
    'bytes=+0-1',
  ])('%j asks for the whole', (header) => {
    expect(parseRange(header, 10)).toEqual({ kind: 'whole' })
  })
})

describe('digest fields', () => {
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
  const base64 = (value: Uint8Array) => Buffer.from(value).toString('base64')

  test('what is written is read, in any order and with what is not known between', () => {
    fc.assert(
      fc.property(bytes(32), bytes(64), fc.boolean(), fc.boolean(), (short, long, swap, more) => {
        const members = [
          `sha-256=:${base64(short)}:`,
          `sha-512 = :${base64(long)}: `,
          ...(more ? ['id=:AAAA:;q=1'] : []),
        ]
        const read = parseDigestField('Content-Digest', (swap ? members.reverse() : members).join(', '))
        expect(Object.fromEntries(read)).toEqual({ 'sha-256': short, 'sha-512': long })
      }),
    )
  })

  test('the value in answers reads as the hash it was made of', () => {
    fc.assert(
      fc.property(bytes(32), (hash) => {
        const written = reprDigest(Buffer.from(hash).toString('hex'))
        expect(Object.fromEntries(parseDigestField('Repr-Digest', written))).toEqual({ 'sha-256': hash })
      }),
    )
  })

  test('any text is read or refused as digest-invalid', () => {
    const text = fc.oneof(anyText, fc.stringMatching(/^(sha-256|sha-512|md5|,|=|:|;| |[A-Za-z0-9+/=]){0,20}$/))
    fc.assert(
      fc.property(text, (value) => {
        try {
          for (const [algorithm, digest] of parseDigestField('Content-Digest', value)) {
            expect(digestAlgorithms).toContain(algorithm)
            expect(digest.length).toBe(algorithm === 'sha-256' ? 32 : 64)
          }
        } catch (error) {
          expect(error).toBeInstanceOf(Refusal)
          expect((error as Refusal).code).toBe('digest-invalid')
        }
      }),
    )
  })

  test('two fields join when they agree, and only then', () => {
    fc.assert(
      fc.property(bytes(32), bytes(32), (one, two) => {
        const first = new Map([['sha-256', one]] as const)
        const second = new Map([['sha-256', two]] as const)
        expect(joinDigests(first, first)).toEqual(first)
        if (Buffer.compare(one, two) !== 0) expect(() => joinDigests(first, second)).toThrow('different sha-256')
      }),
    )
  })
})

describe('filenames', () => {
  const name = fc.oneof(
    anyText,
    fc.string({ unit: 'grapheme', maxLength: 300 }),
    fc.stringMatching(/^[a-z.\\/\r\n"äöü🚢]{0,300}$/u),
    fc.string({ unit: fc.constantFrom('u', '\u0308', '\u200e', ' ', '.'), maxLength: 40 }),
    fc.string({ unit: fc.constantFrom('a', ' ', '.', '\u00e4'), minLength: 250, maxLength: 270 }),
    fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)), maxLength: 300 }),
  )

  test('a clean name is short, well-formed, of one segment, and clean already', () => {
    fc.assert(
      fc.property(name, (text) => {
        const clean = cleanFilename(text)
        expect(Buffer.byteLength(clean)).toBeLessThanOrEqual(255)
        expect(clean.isWellFormed()).toBe(true)
        expect(clean).not.toBe('')
        expect(['.', '..']).not.toContain(clean)
        expect(clean.trim()).toBe(clean)
        expect(clean.normalize('NFC')).toBe(clean)
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
        expect(clean).not.toMatch(/[\0-\x1f\x7f-\x9f/\\\u200e\u200f\u202a-\u202e\u2066-\u2069]/)
        expect(cleanFilename(clean)).toBe(clean)
        expect(cleanFilename(`some/path\\${clean}`)).toBe(clean)
      }),
      { numRuns: 3000 },
    )
  })

  test('a name that is cut keeps its extension', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[aä🚢]{256,400}$/u), fc.stringMatching(/^[a-z0-9]{1,10}$/), (stem, extension) => {
        expect(cleanFilename(`${stem}.${extension}`).endsWith(`.${extension}`)).toBe(true)
      }),
    )
  })

  test('an ordinary name stays as it is', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9()_' äöüé日本-]{1,60}\.[a-z]{1,4}$/), (text) => {
        expect(cleanFilename(text)).toBe(text.trim())
      }),
    )
  })
})

describe('text', () => {
  /** What the platform's own decoder says. */
  function isUtf8(bytes: Uint8Array): boolean {
    try {
      new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
      return true
    } catch {
      return false
    }
  }

  const isControl = (byte: number) => byte < 0x20 && ![9, 10, 12, 13, 27].includes(byte)

  /** The kind of text that the bytes are as a whole. Nothing here is longer than what counts as a file's beginning. */
  function kindOf(bytes: Buffer): TextKind {
    if (['fffe', 'feff'].includes(bytes.subarray(0, 2).toString('hex'))) return 'other'
    if (bytes.includes(0)) return null
    if (isUtf8(bytes)) return 'utf-8'
    return bytes.some(isControl) ? null : 'other'
  }

  /** What a check says after each piece, and at the end. */
  function checked(pieces: readonly Uint8Array[]): { kinds: Map<number, TextKind>; verdict: TextKind } {
    const check = new TextCheck()
    const kinds = new Map<number, TextKind>()
    let passed = 0
    for (const piece of pieces) {
      check.update(piece)
      passed += piece.length
      kinds.set(passed, check.kind)
    }
    return { kinds, verdict: check.finish() }
  }

  const hex = (...bytes: string[]) => bytes.map((text) => Buffer.from(text, 'hex'))
  const piece = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.string({ unit: 'binary', maxLength: 6 }).map((text) => Buffer.from(text.replace(/\p{Cc}/gu, '\n'))),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        ...hex(
          '80',
          'c0',
          'c0af',
          'c3',
          'e2',
          'e282',
          'e080af',
          'eda080',
          'f0',
          'f09f9a',
          'f4908080',
          'f8888080',
          'ff',
        ),
        ...hex('00', '01', '1f', '7f', 'fe', 'fffe', 'feff', '4772fcdf65'),
      ),
    },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 5 }).map((bytes) => Buffer.from(bytes)) },
  )
  const bytes = fc.array(piece, { maxLength: 12 }).map((pieces) => Buffer.concat(pieces))
  /** The lengths of the pieces, over and over. */
  const cuts = fc.array(fc.nat(7), { minLength: 1, maxLength: 10 }).filter((lengths) => lengths.some(Boolean))

  function cutUp(whole: Buffer, lengths: readonly number[]): Buffer[] {
    const pieces: Buffer[] = []
    for (let at = 0, turn = 0; at < whole.length; turn++) {
      const next = whole.subarray(at, at + (lengths[turn % lengths.length] as number))
      pieces.push(next)
      at += next.length
    }
    return pieces
  }

  test('is UTF-8 where TextDecoder takes it, and another encoding where no control character speaks against it', () => {
    fc.assert(
      fc.property(bytes, (whole) => {
        expect(checked([whole]).verdict).toBe(kindOf(whole))
      }),
      { numRuns: 20_000 },
    )
  }, 30_000)

  test('is the same however the bytes are cut, at the end and at every point before it', () => {
    fc.assert(
      fc.property(bytes, cuts, (whole, lengths) => {
        const { kinds, verdict } = checked(cutUp(whole, lengths))
        expect(verdict).toBe(checked([whole]).verdict)
        for (const [passed, kind] of kinds) {
          expect(kind).toBe(checked([whole.subarray(0, passed)]).kinds.get(passed))
          // It may know too little to refuse yet, but it never refuses what goes on as text.
          if (verdict === 'utf-8') expect(kind).toBe('utf-8')
        }
      }),
      { numRuns: 20_000 },
    )
  }, 30_000)

  test('in another encoding may have controls only where it is UTF-8 and far behind the beginning', () => {
    const long = Buffer.alloc(sniffBytes, 'a long text in ASCII ')
    const control = Buffer.of(1)
    const latin = Buffer.from('Gr\xfc\xdfe', 'latin1')
    const cases: [Buffer[], TextKind][] = [
      [[long, control, latin], 'other'],
      [[long, latin, control], null],
      [[control, long, latin], null],
      [[long.subarray(1), control, latin], null],
      [[long, control], 'utf-8'],
    ]
    for (const [parts, kind] of cases) {
      const whole = Buffer.concat(parts)
      for (const length of [whole.length, 1, 4096, sniffBytes]) {
        expect(checked(cutUp(whole, [length])).verdict).toBe(kind)
      }
    }
  })
})

describe('part sizes', () => {
  const mebibyte = 1024 * 1024

  test('hold every file that can be stored, in whole mebibytes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.nat(), fc.maxSafeNat()), (bytes) => {
        const size = partBytesFor(bytes)
        expect(size).toBeGreaterThanOrEqual(minPartBytes)
        expect(size).toBeLessThanOrEqual(maxPartBytes)
        expect(size % mebibyte).toBe(0)
        if (bytes <= maxStorableBytes) expect(size * maxParts).toBeGreaterThanOrEqual(bytes)
        // No larger than it must be.
        if (size > minPartBytes) expect((size - mebibyte) * maxParts).toBeLessThan(bytes)
      }),
    )
  })

  test('are the smallest for a small file, and grow with what 10,000 parts need', () => {
    expect(partBytesFor(0)).toBe(minPartBytes)
    expect(partBytesFor(minPartBytes * maxParts)).toBe(minPartBytes)
    expect(partBytesFor(minPartBytes * maxParts + 1)).toBe(minPartBytes + mebibyte)
    expect(partBytesFor(Number.POSITIVE_INFINITY)).toBe(maxPartBytes)
    expect(maxStorableBytes).toBe(156.25 * 1024 ** 3)
  })
})

describe('API keys', () => {
  const id = fc.uuid()
  const secret = fc.uint8Array({ minLength: 32, maxLength: 32 })

  test('say their domain, and have a shape that scanners find', () => {
    fc.assert(
      fc.property(id, secret, (domainId, bytes) => {
        const key = formatApiKey(domainId, bytes)
        expect(key).toMatch(/^stv_[A-Za-z0-9_-]{65}$/)
        expect(domainOfApiKey(key)).toBe(domainId)
        expect(key.endsWith(Buffer.from(bytes).toString('base64url'))).toBe(true)
      }),
    )
  })

  test('no other text is one', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(domainOfApiKey(text)).toBeNull()
      }),
    )
    fc.assert(
      fc.property(id, secret, fc.constantFrom(' ', '.', '=', '\n', 'a'), (domainId, bytes, more) => {
        const key = formatApiKey(domainId, bytes)
        for (const text of [key + more, more + key, key.slice(0, -1), key.toUpperCase()]) {
          expect(domainOfApiKey(text)).toBeNull()
        }
      }),
    )
  })
})

describe('media types', () => {
  /** The types that a detector with these formats knows, as `isRecognisable` is asked. */
  const known = /^(image\/(png|jpeg|avif|heic|apng|svg\+xml)|video\/|application\/(zip|pdf|gzip|x-cfb|xml|epub\+zip))/
  const judge = (declared: string | null, detected: string | null, text: TextKind = null) =>
    judgeType({
      declared,
      detected,
      text,
      readableAs: ['image/svg+xml'],
      isEmpty: false,
      isRecognisable: (type) => known.test(type),
    })

  test.each([
    ['application/zip', 'application/zip', 'declared'],
    ['application/vnd.openxmlformats-officedocument.wordprocessingml.document', 'application/zip', 'declared'],
    ['application/vnd.oasis.opendocument.text', 'application/zip', 'declared'],
    ['application/epub+zip', 'application/zip', 'declared'],
    ['application/java-archive', 'application/zip', 'declared'],
    ['application/zip', 'application/epub+zip', 'detected'],
    ['application/java-archive', 'application/epub+zip', 'detected'],
    ['video/mp4', 'video/quicktime', 'detected'],
    ['audio/mp4', 'video/mp4', 'declared'],
    ['image/heic', 'image/avif', 'detected'],
    ['audio/webm', 'video/webm', 'declared'],
    ['video/matroska', 'video/webm', 'detected'],
    ['audio/ogg', 'video/ogg', 'detected'],
    ['application/x-tar', 'application/gzip', 'declared'],
    ['application/msword', 'application/x-cfb', 'declared'],
    ['image/png', 'image/apng', 'detected'],
    ['application/pdf', 'application/zip', null],
    ['application/pdf', 'application/x-msdownload', null],
    ['application/pdf', 'image/jpeg', null],
    ['application/zip', 'application/pdf', null],
    ['image/png', 'application/zip', null],
    ['image/svg+xml', 'application/zip', null],
    ['image/jpeg', 'image/png', null],
    ['video/mp4', 'image/jpeg', null],
    ['application/msword', 'application/zip', null],
    ['text/html', 'image/png', null],
    ['text/plain', 'application/x-msdownload', null],
  ])('%s whose bytes are %s', (declared, detected, kept) => {
    const verdict = judge(declared, detected)
    if (kept === null) expect(verdict).toEqual({ ok: false, detected })
    else expect(verdict).toEqual({ ok: true, type: kept === 'declared' ? declared : detected, isConfirmed: true })
  })

  test.each([
    ['image/svg+xml', 'application/xml', 'image/svg+xml'],
    ['application/atom+xml', 'application/xml', 'application/atom+xml'],
    ['application/xml', 'image/svg+xml', 'image/svg+xml'],
    ['text/plain', 'application/xml', 'text/plain'],
    ['text/html', 'text/calendar', null],
    ['image/png', 'application/xml', null],
    ['text/html', 'application/pdf', null],
  ])('%s whose bytes are text, and %s', (declared, detected, type) => {
    expect(judge(declared, detected, 'utf-8')).toEqual(
      type === null ? { ok: false, detected } : { ok: true, type, isConfirmed: true },
    )
  })

  test('an active type is never given to a file that was not declared so', () => {
    const types = fc.constantFrom(
      'text/plain',
      'text/csv',
      'application/json',
      'image/png',
      'application/zip',
      'text/calendar',
    )
    const text = fc.constantFrom<TextKind>('utf-8', 'other', null)
    const active = /html|svg|xml|javascript|ecmascript/
    fc.assert(
      fc.property(fc.option(types), fc.option(types), text, (declared, detected, kind) => {
        const verdict = judge(declared, detected, kind)
        expect(verdict.ok ? verdict.type : verdict.detected).not.toMatch(active)
      }),
    )
  })

  test('an active type that was declared needs bytes that are text in UTF-8', () => {
    for (const type of ['text/html', 'text/javascript', 'application/javascript', 'text/xsl']) {
      expect(judge(type, null, 'utf-8')).toMatchObject({ ok: true, type })
      expect(judge(type, null, 'other').ok).toBe(false)
      expect(judge(type, null, null).ok).toBe(false)
    }
  })

  test('no claim is never contradicted, and one that can be checked holds only with its bytes', () => {
    const none = fc.constantFrom(null, 'application/octet-stream', 'application/x-www-form-urlencoded')
    const text = fc.constantFrom<TextKind>('utf-8', 'other', null)
    fc.assert(
      fc.property(
        none,
        fc.option(fc.constantFrom('image/png', 'application/pdf', 'x/y')),
        text,
        (claim, detected, kind) => {
          expect(judge(claim, detected, kind).ok).toBe(true)
        },
      ),
    )
    expect(judge('image/png', null, 'utf-8')).toEqual({ ok: false, detected: 'text/plain' })
    expect(judge('image/png', null)).toEqual({ ok: false, detected: 'application/octet-stream' })
  })

  test('a claim that nobody can check holds, and counts for its exact type alone', () => {
    const verdict = judge('image/x-lading', null)
    expect(verdict).toEqual({ ok: true, type: 'image/x-lading', isConfirmed: false })
    const takes = (...allowedTypes: string[]) =>
      allowsType(policySchema.parse({ allowedTypes }), { type: 'image/x-lading', isConfirmed: false, readableAs: [] })
    expect([takes('image/*'), takes('image/x-lading'), takes('*/*')]).toEqual([false, true, true])
  })

  test('an essence is lower case, without parameters, or none', () => {
    fc.assert(
      fc.property(
        fc.oneof(anyText, fc.stringMatching(/^[A-Za-z*]{0,6}\/?[A-Za-z+.-]{0,6}(; ?[a-z="]{0,9})?$/)),
        (text) => {
          const essence = essenceOf(text)
          if (essence === null) return
          expect(essence).toMatch(/^[^\s/;,"]+\/[^\s/;,"]+$/)
          expect(essenceOf(essence)).toBe(essence)
          expect(essenceOf(`${essence.toUpperCase()} ; charset=x`)).toBe(essence)
        },
      ),
    )
    expect(essenceOf(null)).toBeNull()
  })

  test.each(['text/html', 'image/svg+xml', 'application/xml', 'text/javascript', 'application/pdf', 'application/x-x'])(
    '%s is never shown in place',
    (type) => expect(isSafeInline(type)).toBe(false),
  )

  test('a policy takes what it allows and does not deny', () => {
    const takes = (policy: object, type: string) =>
      allowsType(policySchema.parse(policy), { type, isConfirmed: true, readableAs: [] })
    const policy = { allowedTypes: ['Image/*', 'application/pdf'], deniedTypes: ['image/svg+xml'] }
    const types = [
      'image/png',
      'image/svg+xml',
      'application/pdf',
      'application/pdfx',
      'imagex/png',
      'text/plain',
      'image',
    ]
    expect(types.filter((type) => takes(policy, type))).toEqual(['image/png', 'application/pdf'])
    expect(takes({}, 'anything/at-all')).toBe(true)
    expect(takes({ allowedTypes: [] }, 'text/plain')).toBe(false)
    for (const bad of ['*', 'image', 'image/', '/png', '*/png', 'image/p*', 'a b/c']) {
      expect(policySchema.safeParse({ allowedTypes: [bad] }).success).toBe(false)
    }
  })
})

describe('statuses', () => {
  test('follow each other as the design says, and in no other way', () => {
    const pairs = fileStatuses.flatMap((from) =>
      fileStatuses.filter((to) => mayFollow(from, to)).map((to) => `${from} > ${to}`),
    )
    expect(pairs.sort()).toEqual(
      [
        'uploading > pending',
        'uploading > deleted',
        'pending > processing',
        'pending > deleted',
        'processing > processing',
        'processing > pending',
        'processing > complete',
        'processing > failed',
        'processing > quarantined',
        'processing > deleted',
        ...['complete', 'failed', 'quarantined'].flatMap((from) => [`${from} > pending`, `${from} > deleted`]),
      ].sort(),
    )
  })

  test('the table lets a file come from uploading to every status, and out of none that is the last', () => {
    const reached = new Set(['uploading'])
    for (const _ of fileStatuses) {
      for (const { from, to } of Object.values(transitions))
        if (from.some((status) => reached.has(status))) reached.add(to)
    }
    expect([...reached].sort()).toEqual([...fileStatuses].sort())
    expect(fileStatuses.filter((status) => mayFollow('deleted', status))).toEqual([])
    expect(fileStatuses.filter((status) => !isTerminal(status))).toEqual(['uploading', 'pending', 'processing'])
    expect(fileStatuses.filter((status) => mayFollow(status, 'deleted'))).toEqual(
      fileStatuses.filter((status) => status !== 'deleted'),
    )
  })
})

describe('waiting', () => {
  test('retries grow, are spread by a fifth, and end at an hour', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.double({ min: 0, max: 1, noNaN: true }), (attempt, random) => {
        const middle = Math.min(10 * 2 ** (attempt - 1), 3600)
        const seconds = retryDelaySeconds(attempt, random)
        expect(seconds).toBeGreaterThanOrEqual(Math.floor(middle * 0.8))
        expect(seconds).toBeLessThanOrEqual(Math.ceil(middle * 1.2))
      }),
    )
    expect(retryDelaySeconds(1, 0)).toBe(8)
    expect(retryDelaySeconds(1, 1)).toBe(12)
    expect(maxAttempts).toBe(5)
  })

  test('publishes double, and end at six hours', () => {
    expect([1, 2, 3, 4].map(publishIntervalSeconds)).toEqual([60, 120, 240, 480])
    expect(publishIntervalSeconds(100)).toBe(6 * 3600)
  })
})

describe('names that are made here', () => {
  test('an object key sorts by time, and its time can be read', () => {
    expect(objectKey('a', 'b')).toBe('a/b')
    fc.assert(
      fc.property(fc.uuid({ version: 7 }), (id) => {
        expect(timeOfId(id)).toBe(Number(`0x${id.replaceAll('-', '').slice(0, 12)}`))
      }),
    )
  })

  test('each publish of a job has its own deduplication id', () => {
    const job = { kind: 'process' as const, id: 'f', domainId: 'd', generation: 1, publish: 1, bytes: 3 }
    const ids = [job, { ...job, publish: 2 }, { ...job, generation: 2 }, { ...job, id: 'g' }].map(deduplicationId)
    expect(new Set(ids).size).toBe(4)
    // QStash refuses ids with a colon.
    for (const id of ids) expect(id).toMatch(/^[A-Za-z0-9._-]+$/)
  })

  test('a job from before there were kinds is for processing, and one of an unknown kind is none', () => {
    const job = { id: crypto.randomUUID(), domainId: crypto.randomUUID(), generation: 1, publish: 1 }
    expect(jobSchema.parse(job)).toMatchObject({ kind: 'process', ...job })
    expect(jobSchema.safeParse({ ...job, kind: 'constructor' }).success).toBe(false)
  })
})

describe('a cache', () => {
  test('forgets with time, and the oldest beyond its size', () => {
    const cache = new TimedCache<number>(100, 2)
    cache.set('a', 1, 0)
    expect(cache.get('a', 99)).toBe(1)
    expect(cache.get('a', 100)).toBeUndefined()
    cache.set('b', 2, 0)
    cache.set('a', 3, 0)
    cache.set('c', 4, 0)
    expect([cache.get('a', 1), cache.get('b', 1), cache.get('c', 1)]).toEqual([3, undefined, 4])
    expect(cache.get('__proto__', 1)).toBeUndefined()
  })
})

describe('the length that a request declares', () => {
  const stream = () => new ReadableStream<Uint8Array>()

  test.each([
    ['5', 5],
    ['0', 0],
    ['', null],
    [null, null],
    ['-1', null],
    ['1e3', null],
    ['5, 5', null],
    ['9999999999999999', null],
  ])('%j', (header, bytes) => {
    expect(new RequestBody(stream(), header).declaredBytes).toBe(bytes)
  })

  test('is nothing without a body, and refused at once beyond the limit', () => {
    expect(new RequestBody(null, undefined).declaredBytes).toBe(0)
    expect(() => new RequestBody(stream(), '11').limitTo(10)).toThrow('larger than the 10 bytes')
    new RequestBody(stream(), '10').limitTo(10)
  })

  test('is given up for the client’s silence, and not for that of whoever reads it', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
    try {
      let source: ReadableByteStreamController | undefined
      const pending = new ReadableStream({
        type: 'bytes',
        start: (controller) => {
          source = controller
        },
      })
      const body = new RequestBody(pending, null)
      source?.enqueue(Uint8Array.of(1))
      expect((await body.read(new Uint8Array(8))).value).toEqual(Uint8Array.of(1))
      await vi.advanceTimersByTimeAsync(200_000)
      source?.enqueue(Uint8Array.of(2))
      expect((await body.read(new Uint8Array(8))).value).toEqual(Uint8Array.of(2))
      const waiting = expect(body.read(new Uint8Array(8))).rejects.toMatchObject({ code: 'body-timeout' })
      await vi.advanceTimersByTimeAsync(80_000)
      await waiting
    } finally {
      vi.useRealTimers()
    }
  })
})
