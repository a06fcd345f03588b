import { sign, verify } from 'hono/jwt'
import { Refusal } from '../../core/errors.ts'
import { readClaims, type TokenClaims, tokenPrefix } from '../../core/token.ts'

/** What tokens are signed with, at least 32 characters each; undefined: the operator has set none. */
export interface SigningSecrets {
  current: string | undefined
  /** What was the current one before. It still verifies, and signs nothing more. */
  previous: string | undefined
}

const algorithm = 'HS256'
/** In characters, with the prefix: nothing longer is decoded, so nothing longer is given out. */
const maxTokenLength = 8192
/** A 256-bit signature in base64url has one last character in sixteen: so one token has one spelling. */
const shape = /^[\w-]+\.[\w-]+\.[\w-]{42}[AEIMQUYcgkosw048]$/

/** The secrets of this isolate: two at most, but for tests. */
const keys = new Map<string, CryptoKey>()

/** Whether a text is meant as a token, good or bad. */
export function looksLikeToken(text: string): boolean {
  return text.startsWith(tokenPrefix)
}

/** A secret as the library wants it. It would take it as a text too, and then import it for each token, or read it as PEM. */
async function keyOf(secret: string): Promise<CryptoKey> {
  const known = keys.get(secret)
  if (known) return known
  const bytes = new TextEncoder().encode(secret)
  const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify'])
  keys.set(secret, key)
  return key
}

/** Writes a token down. Null when there is no secret to sign it with. */
export async function signToken({ current }: SigningSecrets, claims: TokenClaims): Promise<string | null> {
  return current === undefined ? null : tokenPrefix + (await sign(claims, await keyOf(current), algorithm))
}

/**
 * The same where a token was asked for. Throws `misconfigured` when there is no secret, and `request-invalid` for so many
 * claims that the token would not be taken back.
 */
export async function signTokenOrRefuse(secrets: SigningSecrets, claims: TokenClaims): Promise<string> {
  const token = await signToken(secrets, claims)
  if (token !== null) return requireShort(token)
  throw new Refusal(
    'misconfigured',
    'This deployment makes no tokens and no links: its operator has set no SIGNING_SECRET.',
  )
}

function requireShort(token: string): string {
  if (token.length <= maxTokenLength) return token
  throw new Refusal(
    'request-invalid',
    `The token would have ${token.length} characters, and none of more than ${maxTokenLength} is taken. Put less into it.`,
    { facts: { limit: maxTokenLength, size: token.length } },
  )
}

/** What a token says, if one of the secrets has signed it and it is good at `now` (milliseconds since 1970). */
export async function openToken(
  { current, previous }: SigningSecrets,
  text: string,
  now: number,
): Promise<TokenClaims | null> {
  if (!looksLikeToken(text) || text.length > maxTokenLength) return null
  const jwt = text.slice(tokenPrefix.length)
  if (!shape.test(jwt)) return null
  for (const secret of [current, previous]) {
    const payload = secret === undefined ? null : await verifiedPayload(jwt, secret)
    if (payload !== null) return readClaims(payload, now)
  }
  return null
}

/** The library judges the algorithm and the signature; the times are ours, by our own clock and with its leeway. */
async function verifiedPayload(jwt: string, secret: string): Promise<unknown> {
  try {
    return await verify(jwt, await keyOf(secret), { alg: algorithm, exp: false, nbf: false, iat: false })
  } catch {
    // Its errors quote the token, so they go no further.
    return null
  }
}
