import { commitWindowMs } from '../../core/object-key.ts'
import { findAbandonedClaims } from '../../db/uploaded-files/due.ts'
import { discardClaim } from '../receive/discard-claim.ts'
import { type Chore, rowsPerSweep } from './chore.ts'

/** Discards uploads that were begun and never finished, once they are too old to be committed. */
export const discardAbandonedClaims: Chore = async (parts, { dryRun }) => {
  const claims = await findAbandonedClaims(parts.db, parts.now() - commitWindowMs, rowsPerSweep)
  if (!dryRun) for (const claim of claims) await discardClaim(parts, claim)
  return claims.length
}
