import { findDueRemovals } from '../../db/uploaded-files/removal.ts'
import { removeObject } from '../remove-object.ts'
import { type Chore, rowsPerSweep } from './chore.ts'

/** Removes the objects of deleted files: those that R2 refused before, those whose worker had still to end, and each once more. */
export const removeDeletedObjects: Chore = async (parts, { dryRun }) => {
  const files = await findDueRemovals(parts.db, parts.now(), rowsPerSweep)
  if (!dryRun) for (const file of files) await removeObject(parts, file)
  return files.length
}
