import { Refusal } from '../core/errors.ts'
import type { Clock, Log, Watchers } from '../core/ports.ts'
import type { Database } from '../db/database.ts'
import { deleteFile } from '../db/uploaded-files/delete.ts'
import type { ObjectStorage } from '../storage/object-storage.ts'
import { findUpload } from './find-upload.ts'
import { removeObject } from './remove-object.ts'

/** Deletes a file: at once for every reader and the quota, and in R2 as soon as no worker may still write. Throws `upload-not-found` or `upload-deleted`. */
export async function deleteUpload(
  parts: {
    db: Database
    storage: ObjectStorage
    watchers: Pick<Watchers, 'hint'>
    now: Clock
    log: Log
    defer(promise: Promise<unknown>): void
  },
  file: { domainId: string; id: string },
): Promise<void> {
  await findUpload(parts.db, file)
  const deleted = await deleteFile(parts.db, file, parts.now())
  if (!deleted) throw new Refusal('upload-deleted', 'This upload has been deleted.')
  parts.watchers.hint(file.domainId)
  parts.defer(removeObject(parts, deleted))
}
