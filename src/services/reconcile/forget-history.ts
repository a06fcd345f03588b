import { forgetRevokedKeys } from '../../db/api-keys.ts'
import { forgetDeadLetters } from '../../db/dead-letters.ts'
import { dayOf, forgetDays } from '../../db/domain-days.ts'
import { forgetIdempotencyKeys } from '../../db/idempotency-keys.ts'
import { forgetTokenUses } from '../../db/token-uses.ts'
import { findForgettableFiles, forgetFiles } from '../../db/uploaded-files/removal.ts'
import { forgetFinishedDeliveries } from '../../db/webhooks/forget.ts'
import { type Chore, rowsPerSweep } from './chore.ts'

const dayMs = 24 * 3600 * 1000
const deadLetterDays = 30
/** A little longer than the 90 days that can be asked for. */
const usageDays = 92
/** At midnight a day ends for every domain at once, and each row is a small one. */
const usageRowsPerSweep = 5000
/** Many more than one sweep's other rows: a manager's loop can revoke thousands in a minute, and each is one small row. */
const keysPerSweep = 5000
const deliveriesPerSweep = 1000

/**
 * Forgets deleted files past their history, answers that can no longer be asked for again, the uses of ended tokens,
 * revoked keys, old deliveries and dead letters, and what came in on days long past.
 */
export const forgetHistory: Chore = async ({ db, now }, { dryRun }) => {
  const ids = await findForgettableFiles(db, now(), rowsPerSweep)
  if (dryRun) return ids.length
  if (ids.length > 0) await forgetFiles(db, ids)
  await forgetIdempotencyKeys(db, now() - dayMs)
  // A request that a token began may claim and commit for 12 hours after it has ended, and no longer.
  await forgetTokenUses(db, now() - dayMs)
  await forgetRevokedKeys(db, now() - dayMs, keysPerSweep)
  await forgetFinishedDeliveries(db, now(), deliveriesPerSweep)
  await forgetDays(db, dayOf(now() - usageDays * dayMs), usageRowsPerSweep)
  await forgetDeadLetters(db, now() - deadLetterDays * dayMs)
  return ids.length
}
