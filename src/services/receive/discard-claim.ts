import type { Clock, Log } from '../../core/ports.ts'
import type { Database } from '../../db/database.ts'
import { deleteFile } from '../../db/uploaded-files/delete.ts'
import type { ObjectStorage } from '../../storage/object-storage.ts'
import { removeObject } from '../remove-object.ts'

/**
 * Undoes a claim that will not be committed: the row moves first, which gives its reservation back, then R2's parts go.
 * The other way round, a crash in between would leave a row whose bytes can't be finished. Never throws: what could not
 * be done now is due for the reconciler, which finds the row and the upload's id in it. Returns whether the claim was
 * still there to be undone, as far as is known.
 */
export async function discardClaim(
  parts: { db: Database; storage: ObjectStorage; now: Clock; log: Log },
  claim: { domainId: string; id: string },
): Promise<boolean> {
  const { db, now, log } = parts
  try {
    const deleted = await deleteFile(db, claim, now(), 'uploading')
    if (deleted) await removeObject(parts, deleted)
    return deleted !== undefined
  } catch (error) {
    log('warn', 'discard-claim-failed', { uploadId: claim.id, error })
    return true
  }
}
