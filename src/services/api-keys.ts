import { createHash, randomBytes } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import type { Scope } from '../core/access.ts'
import { formatApiKey } from '../core/api-key.ts'
import { Refusal } from '../core/errors.ts'
import type { Clock } from '../core/ports.ts'
import type { TimedCache } from '../core/timed-cache.ts'
import { type ApiKey, insertKey, listKeys, revokeKey } from '../db/api-keys.ts'
import type { Database } from '../db/database.ts'

/** The most keys that a domain has at once. */
export const maxKeys = 1000

/** Makes a key for a domain, or throws `limit-reached`. The key itself is in this answer and nowhere else: only its hash is kept. */
export async function createApiKey(
  { db, now }: { db: Database; now: Clock },
  domainId: string,
  wanted: { label: string; scopes: Scope[]; expiresAt: number | null },
): Promise<ApiKey & { key: string }> {
  const key = formatApiKey(domainId, randomBytes(32))
  const row: ApiKey = { id: uuidv7(), domainId, createdAt: now(), lastUsedAt: null, ...wanted }
  if (!(await insertKey(db, { ...row, hash: hashApiKey(key) }, maxKeys))) {
    throw new Refusal('limit-reached', `A domain has ${maxKeys} keys at most. Revoke one first.`, {
      facts: { limit: maxKeys },
    })
  }
  return { ...row, key }
}

/** One page of a domain's keys that are not revoked, in the order in which they were made. */
export async function listApiKeys(
  db: Database,
  domainId: string,
  { limit, cursor }: { limit: number; cursor?: string | undefined },
): Promise<{ keys: ApiKey[]; nextCursor: string | null }> {
  const found = await listKeys(db, domainId, cursor ?? '', limit + 1)
  const keys = found.slice(0, limit)
  return { keys, nextCursor: found.length > limit ? (keys.at(-1)?.id ?? null) : null }
}

/** Ends a key: commits refuse it from this moment, every other use within 30 seconds, in this isolate at once. */
export async function revokeApiKey(
  { db, cache, now }: { db: Database; cache: TimedCache<ApiKey>; now: Clock },
  domainId: string,
  keyId: string,
): Promise<void> {
  if (!(await revokeKey(db, domainId, keyId, now()))) {
    throw new Refusal('key-not-found', 'This domain has no key with this id.')
  }
  cache.forget((key) => key.id === keyId)
}

/** How a key is kept at rest. */
export function hashApiKey(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}
