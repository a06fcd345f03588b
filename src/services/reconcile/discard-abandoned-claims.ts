import { commitWindowMs } from '../../core/object-key.ts'
import { findAbandonedClaims } from '../../db/uploaded-files/due.ts'
import { discardClaim } from '../receive/discard-claim.ts'
import { type Chore, rowsPerSweep } from './chore.ts'

/** A session ends itself when its time is over. Only what one has left behind an hour later is this chore's. */
const sessionGraceMs = 3600 * 1000

/** Discards uploads that were begun and never finished, once they are too old to be committed. */
export const discardAbandonedClaims: Chore = async (parts, { dryRun }) => {
  const claims = await findAbandonedClaims(
    parts.db,
    { createdBefore: parts.now() - commitWindowMs, expiredBefore: parts.now() - sessionGraceMs },
    rowsPerSweep,
  )
  if (!dryRun) for (const claim of claims) await discardClaim(parts, claim)
  return claims.length
}
