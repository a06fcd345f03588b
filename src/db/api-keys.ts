import { and, eq, isNull } from 'drizzle-orm'
import type { Scope } from '../core/access.ts'
import type { Database } from './database.ts'
import { apiKeys } from './schema.ts'

export interface ApiKey {
  id: string
  domainId: string
  label: string
  scopes: Scope[]
  createdAt: number
  expiresAt: number | null
}

const shownColumns = {
  id: apiKeys.id,
  domainId: apiKeys.domainId,
  label: apiKeys.label,
  scopes: apiKeys.scopes,
  createdAt: apiKeys.createdAt,
  expiresAt: apiKeys.expiresAt,
}

/** The unrevoked key with this hash. Whose it is, the answer says. */
export async function findKeyByHash(db: Database, hash: string): Promise<ApiKey | undefined> {
  return db
    .select(shownColumns)
    .from(apiKeys)
    .where(and(eq(apiKeys.hash, hash), isNull(apiKeys.revokedAt)))
    .get()
}

export async function insertKey(db: Database, key: ApiKey & { hash: string }): Promise<void> {
  await db.insert(apiKeys).values(key)
}

/** Revokes the key; returns whether the domain had it and it was still good. */
export async function revokeKey(db: Database, domainId: string, id: string, now: number): Promise<boolean> {
  const revoked = await db
    .update(apiKeys)
    .set({ revokedAt: now })
    .where(and(eq(apiKeys.domainId, domainId), eq(apiKeys.id, id), isNull(apiKeys.revokedAt)))
    .returning({ id: apiKeys.id })
  return revoked.length > 0
}
