import { createHash, randomBytes } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import type { Scope } from '../core/access.ts'
import { formatApiKey } from '../core/api-key.ts'
import { Refusal } from '../core/errors.ts'
import type { Clock } from '../core/ports.ts'
import { type ApiKey, insertKey, revokeKey } from '../db/api-keys.ts'
import type { Database } from '../db/database.ts'

/** Makes a key for a domain. The key itself is in this answer and nowhere else: only its hash is kept. */
export async function createApiKey(
  { db, now }: { db: Database; now: Clock },
  domainId: string,
  wanted: { label: string; scopes: Scope[]; expiresAt: number | null },
): Promise<ApiKey & { key: string }> {
  const key = formatApiKey(domainId, randomBytes(32))
  const row: ApiKey = { id: uuidv7(), domainId, createdAt: now(), ...wanted }
  await insertKey(db, { ...row, hash: hashApiKey(key) })
  return { ...row, key }
}

/** Ends a key: commits refuse it from this moment, every other use within 30 seconds. */
export async function revokeApiKey(
  { db, now }: { db: Database; now: Clock },
  domainId: string,
  keyId: string,
): Promise<void> {
  if (!(await revokeKey(db, domainId, keyId, now()))) {
    throw new Refusal('key-not-found', 'This domain has no key with this id.')
  }
}

/** How a key is kept at rest. */
export function hashApiKey(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}
