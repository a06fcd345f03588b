import { Refusal } from '../core/errors.ts'
import type { Watchers } from '../core/ports.ts'
import { deleteFile } from '../db/uploaded-files/delete.ts'
import type { ObjectStorage } from '../storage/object-storage.ts'
import { type EndSessionParts, endSession } from './end-session.ts'
import { findUpload } from './find-upload.ts'
import { removeObject } from './remove-object.ts'
import { type TellParts, tellWebhooks } from './webhooks/tell-webhooks.ts'

/** Deletes a file: at once for every reader and the quota, and in R2 as soon as no worker may still write. Throws `upload-not-found` or `upload-deleted`. */
export async function deleteUpload(
  parts: TellParts &
    EndSessionParts & {
      storage: ObjectStorage
      watchers: Pick<Watchers, 'hint'>
      defer(promise: Promise<unknown>): void
    },
  file: { domainId: string; id: string },
): Promise<void> {
  await findUpload(parts.db, file)
  const deleted = await deleteFile(parts.db, file, parts.now())
  if (!deleted) throw new Refusal('upload-deleted', 'This upload has been deleted.')
  parts.watchers.hint(file.domainId)
  parts.defer(endSession(parts, deleted))
  parts.defer(removeObject(parts, deleted).then(() => tellWebhooks(parts, file.domainId)))
}
