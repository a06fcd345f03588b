import { and, asc, eq, gt, inArray, isNull, lt, sql } from 'drizzle-orm'
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
  /** To within minutes. */
  lastUsedAt: number | null
}

const shownColumns = {
  id: apiKeys.id,
  domainId: apiKeys.domainId,
  label: apiKeys.label,
  scopes: apiKeys.scopes,
  createdAt: apiKeys.createdAt,
  expiresAt: apiKeys.expiresAt,
  lastUsedAt: apiKeys.lastUsedAt,
}

/** The unrevoked key with this hash. Whose it is, the answer says. */
export async function findKeyByHash(db: Database, hash: string): Promise<ApiKey | undefined> {
  return db
    .select(shownColumns)
    .from(apiKeys)
    .where(and(eq(apiKeys.hash, hash), isNull(apiKeys.revokedAt)))
    .get()
}

/** Keeps a new key of a domain that has fewer than `most`. False: it has as many as it may have. */
export async function insertKey(db: Database, key: ApiKey & { hash: string }, most: number): Promise<boolean> {
  const inserted = await db
    .insert(apiKeys)
    .select(
      sql`SELECT ${key.id}, ${key.domainId}, ${key.hash}, ${key.label}, ${JSON.stringify(key.scopes)}, ${key.createdAt},
        ${key.expiresAt}, NULL, NULL
      WHERE (SELECT count(*) FROM ${apiKeys} WHERE ${apiKeys.domainId} = ${key.domainId} AND ${apiKeys.revokedAt} IS NULL) < ${most}`,
    )
    .returning({ id: apiKeys.id })
  return inserted.length > 0
}

/** A domain's unrevoked keys in the order in which they were made, at most `limit`, after the one with `afterId`. */
export async function listKeys(db: Database, domainId: string, afterId: string, limit: number): Promise<ApiKey[]> {
  return db
    .select(shownColumns)
    .from(apiKeys)
    .where(and(eq(apiKeys.domainId, domainId), isNull(apiKeys.revokedAt), gt(apiKeys.id, afterId)))
    .orderBy(asc(apiKeys.id))
    .limit(limit)
}

/** Notes that a key is in use. */
export async function noteKeyUse(db: Database, { id, domainId }: ApiKey, now: number): Promise<void> {
  await db
    .update(apiKeys)
    .set({ lastUsedAt: sql`max(coalesce(last_used_at, 0), ${now})` })
    .where(and(eq(apiKeys.domainId, domainId), eq(apiKeys.id, id)))
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

/** Forgets keys that were revoked before this time, at most `limit`. Whoever asks for one then finds none: as good as revoked. */
export async function forgetRevokedKeys(db: Database, revokedBefore: number, limit: number): Promise<void> {
  const old = db.select({ id: apiKeys.id }).from(apiKeys).where(lt(apiKeys.revokedAt, revokedBefore)).limit(limit)
  await db.delete(apiKeys).where(inArray(apiKeys.id, old))
}
