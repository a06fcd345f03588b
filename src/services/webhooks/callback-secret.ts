import type { Clock } from '../../core/ports.ts'
import type { Database } from '../../db/database.ts'
import {
  type CallbackSecret,
  ensureCallbackSecret,
  findCallbackSecret,
  rotateCallbackSecret,
} from '../../db/webhooks/callback-secrets.ts'
import { makeSecret, previousUntil, secretsInForce } from './secrets.ts'

/**
 * What is signed in a domain's own name at `now`, where no endpoint has a secret for it: the present secret first, which
 * is made if there was none, then the one before it while it is still in force.
 */
export async function domainSecrets(db: Database, domainId: string, now: number): Promise<string[]> {
  return secretsInForce(await ensureCallbackSecret(db, domainId, makeSecret(), now), now)
}

/** What is known of the secret that a domain's callbacks are signed with; undefined before its first. */
export function showCallbackSecret(db: Database, domainId: string): Promise<CallbackSecret | undefined> {
  return findCallbackSecret(db, domainId)
}

/** Gives a domain a new secret for its callbacks; the one before it signs as well for a day. */
export function renewCallbackSecret(
  { db, now }: { db: Database; now: Clock },
  domainId: string,
): Promise<CallbackSecret> {
  return rotateCallbackSecret(db, domainId, makeSecret(), { now: now(), previousUntil: previousUntil(now()) })
}
