import { forgetDeadLetters } from '../../db/dead-letters.ts'
import { forgetIdempotencyKeys } from '../../db/idempotency-keys.ts'
import { findForgettableFiles, forgetFiles } from '../../db/uploaded-files/removal.ts'
import { type Chore, rowsPerSweep } from './chore.ts'

const dayMs = 24 * 3600 * 1000
const deadLetterDays = 30

/** Forgets deleted files past their history, answers that can no longer be asked for again, and old dead letters. */
export const forgetHistory: Chore = async ({ db, now }, { dryRun }) => {
  const ids = await findForgettableFiles(db, now(), rowsPerSweep)
  if (dryRun) return ids.length
  if (ids.length > 0) await forgetFiles(db, ids)
  await forgetIdempotencyKeys(db, now() - dayMs)
  await forgetDeadLetters(db, now() - deadLetterDays * dayMs)
  return ids.length
}
