import { and, eq, lte, or, type SQL, sql } from 'drizzle-orm'
import type { Database } from './database.ts'
import { idempotencyKeys } from './schema.ts'

/** A key as a client uses it: two domains or two clients never share one. */
export interface IdempotencyKey {
  domainId: string
  /** The API key's id, or who else it was. */
  client: string
  key: string
}

/** A key that a running request holds. */
export interface HeldKey extends IdempotencyKey {
  /** Random: names the request. */
  holder: string
}

/** What the commit keeps for a repeat: what was sent, and what became of it. */
export interface KeptAnswer {
  held: HeldKey
  fingerprint: string
  /** Plain JSON. */
  outcome: unknown
}

/**
 * Takes a key for a request: a new one, one whose request died without an answer, or one that is older than
 * `forgetBefore`. False: somebody holds it, or it has its answer.
 */
export async function takeIdempotencyKey(
  db: Database,
  held: HeldKey,
  { now, leaseExpiresAt, forgetBefore }: { now: number; leaseExpiresAt: number; forgetBefore: number },
): Promise<boolean> {
  const fresh = {
    holder: held.holder,
    leaseExpiresAt,
    fingerprint: null,
    outcome: null,
    createdAt: now,
  }
  const taken = await db
    .insert(idempotencyKeys)
    .values({ ...held, ...fresh })
    .onConflictDoUpdate({
      target: [idempotencyKeys.domainId, idempotencyKeys.client, idempotencyKeys.key],
      set: fresh,
      setWhere: or(
        sql`${idempotencyKeys.outcome} IS NULL AND ${idempotencyKeys.leaseExpiresAt} <= ${now}`,
        lte(idempotencyKeys.createdAt, forgetBefore),
      ) as SQL,
    })
    .returning({ holder: idempotencyKeys.holder })
  return taken.length > 0
}

/** What is known of a key that could not be taken; `outcome` is null while its first request still runs. */
export async function findIdempotencyKey(
  db: Database,
  key: IdempotencyKey,
): Promise<{ fingerprint: string | null; outcome: unknown } | undefined> {
  return db
    .select({
      fingerprint: idempotencyKeys.fingerprint,
      outcome: idempotencyKeys.outcome,
    })
    .from(idempotencyKeys)
    .where(isKey(key))
    .get()
}

/** Holds a key for longer, while its request is read. */
export async function renewIdempotencyKey(db: Database, held: HeldKey, leaseExpiresAt: number): Promise<void> {
  await db.update(idempotencyKeys).set({ leaseExpiresAt }).where(holds(held))
}

/** Frees a key whose request was refused, for the next try. */
export async function freeIdempotencyKey(db: Database, held: HeldKey): Promise<void> {
  await db.delete(idempotencyKeys).where(holds(held))
}

/** The statement of the commit that keeps its answer. */
export function keepAnswer(db: Database, { held, fingerprint, outcome }: KeptAnswer) {
  return db.update(idempotencyKeys).set({ fingerprint, outcome }).where(holds(held))
}

/** Whether a request still holds its key, and has not answered. */
export function holds(held: HeldKey): SQL {
  return and(isKey(held), eq(idempotencyKeys.holder, held.holder), sql`${idempotencyKeys.outcome} IS NULL`) as SQL
}

/** Forgets keys that were first used before this time. */
export async function forgetIdempotencyKeys(db: Database, createdBefore: number): Promise<void> {
  await db.delete(idempotencyKeys).where(lte(idempotencyKeys.createdAt, createdBefore))
}

function isKey({ domainId, client, key }: IdempotencyKey): SQL {
  return and(
    eq(idempotencyKeys.domainId, domainId),
    eq(idempotencyKeys.client, client),
    eq(idempotencyKeys.key, key),
  ) as SQL
}
