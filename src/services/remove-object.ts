import type { Clock, Log } from '../core/ports.ts'
import type { Database } from '../db/database.ts'
import type { DeletedFile } from '../db/uploaded-files/delete.ts'
import { scheduleRemoval } from '../db/uploaded-files/removal.ts'
import type { ObjectStorage } from '../storage/object-storage.ts'

/** A write that was under way when its file was deleted may land after the first removal; by then none is left. */
const lastRemovalAfterMs = 3600 * 1000

/**
 * Removes everything that R2 holds for a deleted row, if no worker may still be writing: at once, and a last time an
 * hour after the deletion. The row says when it is due. Never throws: the reconciler comes back until it is done.
 */
export async function removeObject(
  { db, storage, now, log }: { db: Database; storage: ObjectStorage; now: Clock; log: Log },
  file: DeletedFile,
): Promise<void> {
  if (file.removalDueAt > now()) return
  try {
    if (file.r2UploadId) await storage.abortMultipart(file.objectKey, file.r2UploadId)
    // The variants lie under the same key, those of workers that never came to an end included.
    await storage.removeUnder(file.objectKey)
    const lastRemovalAt = file.deletedAt + lastRemovalAfterMs
    await scheduleRemoval(db, file.id, now() >= lastRemovalAt ? null : lastRemovalAt)
  } catch (error) {
    log('warn', 'removal-failed', { uploadId: file.id, error })
  }
}
