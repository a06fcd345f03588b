import { Buffer } from 'node:buffer'
import { createHmac } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { TokenClaims } from '../../src/core/token.ts'
import { openToken, type SigningSecrets, signToken } from '../../src/services/tokens/signed-token.ts'
import { authenticateToken } from '../../src/services/tokens/token-credential.ts'
import { call } from '../support/workers/client.ts'
import { appWith, depsWith } from '../support/workers/faults.ts'

const secret = '0123456789abcdef0123456789abcdef'
const other = 'fedcba9876543210fedcba9876543210'
const with_ = (current: string | undefined, previous?: string): SigningSecrets => ({ current, previous })

const aud = '01a20416-9f93-7593-baee-ab11b2f9977b'
const sub = '01a20416-a000-7000-8000-000000000001'
const jti = '6f9619ff-8b86-4d01-b42d-00cf4fc964ff'
const iat = 1_700_000_000
const now = iat * 1000

const upload = {
  kind: 'upload',
  aud,
  jti,
  key: null,
  iat,
  exp: iat + 600,
  maxFileBytes: 5,
  types: ['image/*'],
  uses: 3,
}
const read = { kind: 'read', aud, sub, iat, exp: iat + 86_400 }
const link = { kind: 'link', aud, sub, iat, exp: iat + 3600, filename: 'Grüße.pdf' }

/** Made by another implementation of RFC 7515, with the secret above. */
const vectors: [name: string, claims: object, token: string][] = [
  [
    'upload',
    upload,
    'stvt_eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJraW5kIjoidXBsb2FkIiwiYXVkIjoiMDFhMjA0MTYtOWY5My03NTkzLWJhZWUtYWIxMWIyZjk5NzdiIiwianRpIjoiNmY5NjE5ZmYtOGI4Ni00ZDAxLWI0MmQtMDBjZjRmYzk2NGZmIiwia2V5IjpudWxsLCJpYXQiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMDYwMCwibWF4RmlsZUJ5dGVzIjo1LCJ0eXBlcyI6WyJpbWFnZS8qIl0sInVzZXMiOjN9.ZzWAtEx4xw3xT9dcDWvQfLZva7drEa8CDQItTkJUNKg',
  ],
  [
    'read',
    read,
    'stvt_eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJraW5kIjoicmVhZCIsImF1ZCI6IjAxYTIwNDE2LTlmOTMtNzU5My1iYWVlLWFiMTFiMmY5OTc3YiIsInN1YiI6IjAxYTIwNDE2LWEwMDAtNzAwMC04MDAwLTAwMDAwMDAwMDAwMSIsImlhdCI6MTcwMDAwMDAwMCwiZXhwIjoxNzAwMDg2NDAwfQ.hPTaPq5M-2J0lSKuODR6xirCPLIe2YS0IE6tJdd5MKg',
  ],
  [
    'link',
    link,
    'stvt_eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJraW5kIjoibGluayIsImF1ZCI6IjAxYTIwNDE2LTlmOTMtNzU5My1iYWVlLWFiMTFiMmY5OTc3YiIsInN1YiI6IjAxYTIwNDE2LWEwMDAtNzAwMC04MDAwLTAwMDAwMDAwMDAwMSIsImlhdCI6MTcwMDAwMDAwMCwiZXhwIjoxNzAwMDAzNjAwLCJmaWxlbmFtZSI6Ikdyw7zDn2UucGRmIn0.r91eLjRnJk-Gu635DH5cCGsxX_wLbXbOH9P9fLdWgwI',
  ],
]
const [, , readToken] = vectors[1]!

/** Writes a token down without any of the application's code. */
function forge(
  claims: object | string,
  { header = { alg: 'HS256', typ: 'JWT' } as object, key = secret } = {},
): string {
  const part = (value: object | string) =>
    Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
  const signed = `${part(header)}.${part(claims)}`
  const hash = { HS384: 'sha384', HS512: 'sha512' }[(header as { alg?: string }).alg ?? ''] ?? 'sha256'
  return `stvt_${signed}.${createHmac(hash, key).update(signed).digest('base64url')}`
}

const open = (token: string, at = now, secrets = with_(secret)) => openToken(secrets, token, at)

describe('the format', () => {
  test.each(vectors)(
    'of the kind %s is the one that any implementation of JWT writes',
    async (_kind, claims, token) => {
      expect(await signToken(with_(secret), claims as TokenClaims)).toBe(token)
      expect(await open(token)).toEqual(claims)
      expect(forge(claims)).toBe(token)
    },
  )

  test('is refused with any of its characters changed, added or left out', async () => {
    const changed = Array.from(
      readToken,
      (character, at) => readToken.slice(0, at) + (character === 'A' ? 'B' : 'A') + readToken.slice(at + 1),
    )
    const shortened = Array.from(readToken, (_, length) => readToken.slice(0, length))
    const longer = ['=', 'A', '.', ' ', '\n', '.A'].map((end) => readToken + end)
    for (const token of [...changed, ...shortened, ...longer, readToken.slice(5), ` ${readToken}`]) {
      expect(await open(token), token).toBeNull()
    }
    expect(await open(readToken)).not.toBeNull()
  })

  test('is refused in another spelling of the same signature', async () => {
    // The last of 43 characters has two bits that belong to nothing.
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = alphabet.indexOf(readToken.at(-1)!)
    const spellings = [1, 2, 3].map((bits) => readToken.slice(0, -1) + alphabet[last + bits])
    const bytes = (token: string) => Buffer.from(token.split('.')[2]!, 'base64url').toString('hex')
    for (const token of spellings) {
      expect(bytes(token)).toBe(bytes(readToken))
      expect(await open(token)).toBeNull()
    }
  })

  test.each([
    ['no algorithm', { alg: 'none', typ: 'JWT' }],
    ['no algorithm at all', { typ: 'JWT' }],
    ['another algorithm, rightly signed', { alg: 'HS512', typ: 'JWT' }],
    ['another algorithm, rightly signed', { alg: 'HS384', typ: 'JWT' }],
    ['an asymmetric algorithm', { alg: 'RS256', typ: 'JWT' }],
    ['the algorithm in other letters', { alg: 'hs256', typ: 'JWT' }],
    ['another type', { alg: 'HS256', typ: 'at+jwt' }],
    ['a critical extension', { alg: 'HS256', typ: 'JWT', crit: ['b64'] }],
  ])('is refused with %s', async (_name, header) => {
    expect(await open(forge(read, { header }))).toBeNull()
    const unsigned = forge(read, { header }).replace(/[^.]*$/, '')
    expect(await open(unsigned)).toBeNull()
  })

  test.each([
    ['no kind', { ...read, kind: undefined }],
    ['an unknown kind', { ...read, kind: 'write' }],
    ['the members of another kind', { ...read, kind: 'upload' }],
    ['a member of another kind', { ...read, filename: 'a' }],
    ['no domain', { ...read, aud: undefined }],
    ['several domains', { ...read, aud: [aud] }],
    ['no end', { ...read, exp: undefined }],
    ['an end that is no number', { ...read, exp: '1800000000' }],
    ['no beginning', { ...read, iat: undefined }],
    ['a file that is none', { ...read, sub: '../x' }],
    ['fewer uses than one', { ...upload, uses: 0 }],
    ['JSON that is no object', '"read"'],
    ['no JSON', 'read'],
  ])('is refused with %s, however well signed', async (_name, claims) => {
    expect(await open(forge(claims))).toBeNull()
  })

  test('is refused before it is decoded when it is longer than any that is made', async () => {
    const long = forge({ ...link, filename: 'x'.repeat(8192) })
    expect(await open(long)).toBeNull()
    expect(await open(forge({ ...link, filename: 'x'.repeat(1000) }))).not.toBeNull()
  })
})

describe('time', () => {
  const claims = { ...read, iat, exp: iat + 10 }
  test.each([
    ['a millisecond before its end', claims, 9_999, true],
    ['at its end', claims, 10_000, false],
    ['after its end, which has no leeway', claims, 10_001, false],
    ['60 s before it was made: clocks differ', claims, -60_000, true],
    ['more than 60 s before it was made', claims, -60_001, false],
    ['60 s before it begins', { ...claims, nbf: iat + 5 }, -55_000, true],
    ['more than 60 s before it begins', { ...claims, nbf: iat + 5 }, -55_001, false],
    ['more than 60 s before it was made, though it began long ago', { ...claims, nbf: 0 }, -60_001, false],
  ])('%s', async (_name, claims, offset, isGood) => {
    expect((await open(forge(claims), now + offset)) !== null).toBe(isGood)
  })
})

describe('secrets', () => {
  test('a token of the previous secret is good, and no new one is signed with it', async () => {
    const old = (await signToken(with_(secret), read as TokenClaims)) as string
    expect(await open(old, now, with_(other, secret))).toEqual(read)
    expect(await open(old, now, with_(undefined, secret))).toEqual(read)
    const fresh = (await signToken(with_(other, secret), read as TokenClaims)) as string
    expect(await open(fresh, now, with_(other))).toEqual(read)
    expect(await open(fresh, now, with_(secret))).toBeNull()
  })

  test('a token of neither is not', async () => {
    expect(await open(readToken, now, with_(other))).toBeNull()
    expect(await open(readToken, now, with_(other, `${secret}!`))).toBeNull()
    expect(await open(readToken, now, with_(undefined))).toBeNull()
    expect(await open(forge(read, { key: ' ' }), now, with_(undefined))).toBeNull()
  })

  test('without one nothing is signed, not even with the previous one', async () => {
    expect(await signToken(with_(undefined, secret), read as TokenClaims)).toBeNull()
  })

  test.each(['a PRIVATE text of thirty-two characters', 'a PUBLIC text of thirty-two characters'])(
    'one that reads like a key in PEM is a text like any other: %s',
    async (text) => {
      const token = (await signToken(with_(text), read as TokenClaims)) as string
      expect(await open(token, now, with_(text))).toEqual(read)
    },
  )

  const development = 'dev-signing-secret-for-this-machine-only'
  test.each([
    ['empty', { SIGNING_SECRET: '' }],
    ['of 31 characters', { SIGNING_SECRET: secret.slice(1) }],
    ['previous and empty', { SIGNING_SECRET: secret, SIGNING_SECRET_PREVIOUS: '' }],
    ['previous and of 31 characters', { SIGNING_SECRET: secret, SIGNING_SECRET_PREVIOUS: other.slice(1) }],
    ["the developer's", { SIGNING_SECRET: development }],
    ["previous and the developer's", { SIGNING_SECRET: secret, SIGNING_SECRET_PREVIOUS: development }],
  ])('one that is %s is refused by the configuration', async (_name, vars) => {
    const env = { MODE: undefined, ...vars }
    expect(() => depsWith({ env })).toThrow(/SIGNING_SECRET/)
    expect((await call('GET', 'http://localhost/healthz', { send: appWith({ env }) })).status).toBe(500)
  })

  test("of 32 characters is taken, and in development the developer's own stands in", () => {
    const env = { MODE: undefined, SIGNING_SECRET: secret }
    expect(depsWith({ env }).signingSecrets).toEqual({ current: secret, previous: undefined })
    expect(depsWith({ env: { MODE: undefined } }).signingSecrets).toEqual({ current: undefined, previous: undefined })
    expect(depsWith().signingSecrets.current).toBe(development)
    expect(depsWith({ env: { SIGNING_SECRET: secret } }).signingSecrets.current).toBe(secret)
  })
})

describe('who presents it', () => {
  test.each([
    ['upload', 'header', true],
    ['upload', 'query', false],
    ['read', 'header', true],
    ['read', 'query', true],
    ['link', 'header', false],
    ['link', 'query', true],
  ] as const)('a token of the kind %s in the %s counts: %s', async (kind, place, counts) => {
    const [, , token] = vectors.find(([name]) => name === kind)!
    const credential = await authenticateToken(with_(secret), token, place, now).catch((error) => error.code)
    if (!counts) return expect(credential).toBe('credential-invalid')
    const { iat: _iat, exp: _exp, aud: _aud, jti: _jti, key: _key, kind: _kind, ...limits } = upload
    expect(credential).toEqual(
      kind === 'upload'
        ? { kind: 'upload-token', tokenId: jti, domainId: aud, keyId: null, expiresAt: now + 600_000, limits }
        : { kind: 'read-token', domainId: aud, fileId: sub, link: kind === 'link' ? { filename: 'Grüße.pdf' } : null },
    )
  })
})
