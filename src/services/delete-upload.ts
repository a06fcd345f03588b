import { Refusal } from '../core/errors.ts'
import type { Watchers } from '../core/ports.ts'
import { deleteFile } from '../db/uploaded-files/delete.ts'
import type { ObjectStorage } from '../storage/object-storage.ts'
import { findUpload } from './find-upload.ts'
import { removeObject } from './remove-object.ts'
import { type TellParts, tellWebhooks } from './webhooks/tell-webhooks.ts'

/** Deletes a file: at once for every reader and the quota, and in R2 as soon as no worker may still write. Throws `upload-not-found` or `upload-deleted`. */
export async function deleteUpload(
  parts: TellParts & {
    storage: ObjectStorage
    watchers: Pick<Watchers, 'hint'>
    defer(promise: Promise<unknown>): void
    /** Ends the session of a resumable upload, which still holds bytes of it and perhaps receives more. */
    endSession(id: string): Promise<unknown>
  },
  file: { domainId: string; id: string },
): Promise<void> {
  const { status } = await findUpload(parts.db, file)
  const deleted = await deleteFile(parts.db, file, parts.now())
  if (!deleted) throw new Refusal('upload-deleted', 'This upload has been deleted.')
  parts.watchers.hint(file.domainId)
  if (status === 'uploading') {
    // It ends by itself as well: at its next request, which finds the row gone, or when its time is over.
    const ending = parts.endSession(file.id).catch((error) => {
      parts.log('warn', 'session-not-ended', { uploadId: file.id, error })
    })
    parts.defer(ending)
  }
  parts.defer(removeObject(parts, deleted).then(() => tellWebhooks(parts, file.domainId)))
}
