import { createHash, timingSafeEqual } from 'node:crypto'
import { type Credential, unknownCredential } from '../core/access.ts'
import { domainOfApiKey } from '../core/api-key.ts'
import { Refusal } from '../core/errors.ts'
import type { Clock, Log } from '../core/ports.ts'
import type { TimedCache } from '../core/timed-cache.ts'
import { type ApiKey, findKeyByHash, noteKeyUse } from '../db/api-keys.ts'
import { hashApiKey } from './api-keys.ts'
import type { Place } from './place.ts'
import { looksLikeToken, type SigningSecrets } from './tokens/signed-token.ts'
import { authenticateToken } from './tokens/token-credential.ts'

export interface AuthenticateParts {
  /** Undefined: nobody is administrator here. */
  adminToken: string | undefined
  signingSecrets: SigningSecrets
  /** Where the domain has its keys; null when there is no such domain. */
  placeOf(domainId: string): Promise<Pick<Place, 'db'> | null>
  /** Shared by the isolate, 30 s an entry. */
  cache: TimedCache<ApiKey>
  now: Clock
  log: Log
  /** Lets a promise outlive the answer. */
  defer(promise: Promise<unknown>): void
}

/** A key's last use is written down only when it is this much newer than what is written there. */
const useNotedEveryMs = 5 * 60_000

/** What a request presents; undefined: nothing. */
export interface PresentedCredentials {
  /** The header `Authorization`. */
  authorization: string | undefined
  /** The query parameter `token`, where it counts as a credential. */
  queryToken: string | undefined
  /** Whether the answer may rest on what the isolate remembers of a key, up to 30 s old. */
  mayBeRemembered: boolean
}

/**
 * Says who sent a request. Throws `credential-invalid` for a credential that nobody issued, and `request-invalid` for
 * two (RFC 6750 §2: a client must not use more than one way).
 */
export async function authenticate(
  parts: AuthenticateParts,
  { authorization, queryToken, mayBeRemembered }: PresentedCredentials,
): Promise<Credential> {
  if (queryToken !== undefined) {
    if (authorization !== undefined) {
      throw new Refusal('request-invalid', 'The request has both "Authorization" and "?token=". Send one of them.')
    }
    return authenticateToken(parts.signingSecrets, queryToken, 'query', parts.now())
  }
  if (authorization === undefined) return { kind: 'anonymous' }
  const token = /^Bearer +(\S+) *$/i.exec(authorization)?.[1]
  if (!token) throw unknownCredential()
  if (parts.adminToken && sameText(token, parts.adminToken)) return { kind: 'administrator' }
  if (looksLikeToken(token)) return authenticateToken(parts.signingSecrets, token, 'header', parts.now())
  const key = await findKey(parts, token, mayBeRemembered)
  if (!key || (key.expiresAt !== null && key.expiresAt <= parts.now())) throw unknownCredential()
  return {
    kind: 'key',
    keyId: key.id,
    domainId: key.domainId,
    scopes: key.scopes,
    expiresAt: key.expiresAt,
  }
}

async function findKey(parts: AuthenticateParts, token: string, mayBeRemembered: boolean): Promise<ApiKey | undefined> {
  const { placeOf, cache, now } = parts
  const domainId = domainOfApiKey(token)
  if (!domainId) return undefined
  const hash = hashApiKey(token)
  const cached = mayBeRemembered ? cache.get(hash, now()) : undefined
  if (cached) return cached
  const place = await placeOf(domainId)
  const key = place && (await findKeyByHash(place.db, hash))
  if (!key) return undefined
  cache.set(hash, key, now())
  noteUse(parts, place, key)
  return key
}

/** Writes down behind the answer that a key is in use: only when it was read just now, so a known key costs nothing. */
function noteUse({ now, log, defer }: AuthenticateParts, { db }: Pick<Place, 'db'>, key: ApiKey): void {
  const isExpired = key.expiresAt !== null && key.expiresAt <= now()
  if (isExpired || now() - (key.lastUsedAt ?? 0) < useNotedEveryMs) return
  defer(noteKeyUse(db, key, now()).catch((error) => log('warn', 'key-use-not-noted', { keyId: key.id, error })))
}

/** Compares in a time that tells nothing about where two texts differ. */
function sameText(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}
