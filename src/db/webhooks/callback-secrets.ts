import { eq, sql } from 'drizzle-orm'
import type { Database } from '../database.ts'
import { callbackSecrets } from '../schema.ts'

/** What a domain's callbacks are signed with. */
export type CallbackSecret = typeof callbackSecrets.$inferSelect

export async function findCallbackSecret(db: Database, domainId: string): Promise<CallbackSecret | undefined> {
  return db.select().from(callbackSecrets).where(eq(callbackSecrets.domainId, domainId)).get()
}

/** The secret of a domain, which is `secret` if it had none. */
export async function ensureCallbackSecret(
  db: Database,
  domainId: string,
  secret: string,
  now: number,
): Promise<CallbackSecret> {
  const [kept] = await db
    .insert(callbackSecrets)
    .values({ domainId, secret, createdAt: now })
    .onConflictDoUpdate({ target: callbackSecrets.domainId, set: { secret: sql`${callbackSecrets.secret}` } })
    .returning()
  return kept as CallbackSecret
}

/** Signs with a new secret from now on, and with the one before it as well until `previousUntil`. */
export async function rotateCallbackSecret(
  db: Database,
  domainId: string,
  secret: string,
  { now, previousUntil }: { now: number; previousUntil: number },
): Promise<CallbackSecret> {
  const [rotated] = await db
    .insert(callbackSecrets)
    .values({ domainId, secret, createdAt: now })
    .onConflictDoUpdate({
      target: callbackSecrets.domainId,
      set: {
        secret,
        previousSecret: sql`${callbackSecrets.secret}`,
        previousSecretUntil: previousUntil,
        createdAt: now,
      },
    })
    .returning()
  return rotated as CallbackSecret
}
