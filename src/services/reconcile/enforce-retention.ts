import { deleteFile } from '../../db/uploaded-files/delete.ts'
import { findExpiredFiles } from '../../db/uploaded-files/removal.ts'
import { endSession } from '../end-session.ts'
import { removeObject } from '../remove-object.ts'
import { type Chore, forEachRow, rowsPerSweep } from './chore.ts'

/** Deletes finished files that are older than their domain's policy keeps them. */
export const enforceRetention: Chore = async (parts, { dryRun }) => {
  const files = await findExpiredFiles(parts.db, parts.now(), rowsPerSweep)
  if (dryRun) return files.length
  await forEachRow(parts, files, async (file) => {
    const deleted = await deleteFile(parts.db, file, parts.now())
    if (!deleted) return
    await endSession(parts, deleted)
    await removeObject(parts, deleted)
  })
  return files.length
}
