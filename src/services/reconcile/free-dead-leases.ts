import { findDeadLeases } from '../../db/uploaded-files/due.ts'
import { settleFailedAttempt } from '../process-upload.ts'
import { type Chore, forEachRow, rowsPerSweep } from './chore.ts'

/** Gives the files of dead workers another attempt, or fails those that have none left. */
export const freeDeadLeases: Chore = async (parts, { dryRun }) => {
  const holds = await findDeadLeases(parts.db, parts.now(), rowsPerSweep)
  if (!dryRun) await forEachRow(parts, holds, (hold) => settleFailedAttempt(hold, parts))
  return holds.length
}
