import { createHash, timingSafeEqual } from 'node:crypto'
import { type Credential, unknownCredential } from '../core/access.ts'
import { domainOfApiKey } from '../core/api-key.ts'
import type { Clock } from '../core/ports.ts'
import type { TimedCache } from '../core/timed-cache.ts'
import { type ApiKey, findKeyByHash } from '../db/api-keys.ts'
import type { Database } from '../db/database.ts'
import { hashApiKey } from './api-keys.ts'

export interface AuthenticateParts {
  /** Undefined: nobody is administrator here. */
  adminToken: string | undefined
  databaseFor(domain: { id: string }): Database
  /** Shared by the isolate, 30 s an entry; what accepts an upload is the commit, which looks at the key again. */
  cache: TimedCache<ApiKey>
  now: Clock
}

/** Says who sent a request with this `Authorization` header. Throws `credential-invalid` for one that nobody issued. */
export async function authenticate(parts: AuthenticateParts, authorization: string | undefined): Promise<Credential> {
  if (authorization === undefined) return { kind: 'anonymous' }
  const token = /^Bearer +(\S+) *$/i.exec(authorization)?.[1]
  if (!token) throw unknownCredential()
  if (parts.adminToken && sameText(token, parts.adminToken)) return { kind: 'administrator' }
  const key = await findKey(parts, token)
  if (!key || (key.expiresAt !== null && key.expiresAt <= parts.now())) throw unknownCredential()
  return {
    kind: 'key',
    keyId: key.id,
    domainId: key.domainId,
    scopes: key.scopes,
  }
}

async function findKey({ databaseFor, cache, now }: AuthenticateParts, token: string): Promise<ApiKey | undefined> {
  const domainId = domainOfApiKey(token)
  if (!domainId) return undefined
  const hash = hashApiKey(token)
  const cached = cache.get(hash, now())
  if (cached) return cached
  const key = await findKeyByHash(databaseFor({ id: domainId }), hash)
  if (key) cache.set(hash, key, now())
  return key
}

/** Compares in a time that tells nothing about where two texts differ. */
function sameText(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}
