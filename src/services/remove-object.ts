import type { Clock, Log } from '../core/ports.ts'
import type { Database } from '../db/database.ts'
import { markObjectRemoved } from '../db/uploaded-files/due.ts'
import type { DeletedFile } from '../db/uploaded-files/transition.ts'
import type { ObjectStorage } from '../storage/object-storage.ts'

/**
 * Removes everything that R2 holds for a deleted row, and notes in the row that it is done. Never throws: while the note
 * is missing, the reconciler comes back to it.
 */
export async function removeObject(
  { db, storage, now, log }: { db: Database; storage: ObjectStorage; now: Clock; log: Log },
  file: DeletedFile,
): Promise<void> {
  try {
    if (file.r2UploadId) await storage.abortMultipart(file.objectKey, file.r2UploadId)
    await storage.remove([file.objectKey])
    await markObjectRemoved(db, file.id, now())
  } catch (error) {
    log('warn', 'removal-failed', { uploadId: file.id, error })
  }
}
