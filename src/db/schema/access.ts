import { sql } from 'drizzle-orm'
import { check, index, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import type { Scope } from '../../core/access.ts'

export const apiKeys = sqliteTable(
  'api_keys',
  {
    id: text().primaryKey(),
    domainId: text('domain_id').notNull(),
    /** SHA-256 of the whole key, hexadecimal. The key has 256 random bits, so a slow hash would add nothing. */
    hash: text().notNull().unique(),
    label: text().notNull(),
    scopes: text({ mode: 'json' }).$type<Scope[]>().notNull(),
    createdAt: integer('created_at').notNull(),
    expiresAt: integer('expires_at'),
    /** To within minutes; null until its first use. */
    lastUsedAt: integer('last_used_at'),
    revokedAt: integer('revoked_at'),
  },
  (table) => [
    index('api_keys_by_domain').on(table.domainId),
    index('api_keys_revoked').on(table.revokedAt).where(sql`revoked_at IS NOT NULL`),
  ],
)

/** How many files each upload token with a limit has brought. A token without a row has brought none. */
export const tokenUses = sqliteTable(
  'token_uses',
  {
    domainId: text('domain_id').notNull(),
    tokenId: text('token_id').notNull(),
    used: integer().notNull(),
    expiresAt: integer('expires_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.domainId, table.tokenId] }),
    index('token_uses_by_end').on(table.expiresAt),
    check('used_not_negative', sql`used >= 0`),
  ],
)

/** Requests that carry an `Idempotency-Key`, each with its answer once it has one. */
export const idempotencyKeys = sqliteTable(
  'idempotency_keys',
  {
    domainId: text('domain_id').notNull(),
    /** The API key's id, or who else it was: keys of two clients never meet. */
    client: text().notNull(),
    key: text().notNull(),
    /** Names the request that holds the key, so that one which lost it can neither answer nor free it. */
    holder: text().notNull(),
    leaseExpiresAt: integer('lease_expires_at').notNull(),
    /** What was sent; null until the request has been read to its end. */
    fingerprint: text(),
    /** What was accepted: the outcomes of its files, as `keepOutcomes` writes them. Null until the commit. */
    outcome: text({ mode: 'json' }),
    createdAt: integer('created_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.domainId, table.client, table.key] }),
    index('idempotency_keys_by_age').on(table.createdAt),
  ],
)
