import { Refusal } from '../core/errors.ts'
import type { UploadedFile } from '../core/uploaded-file.ts'
import type { Database } from '../db/database.ts'
import { findFile } from '../db/uploaded-files/reads.ts'

/** The file of this domain with this id. Throws `upload-not-found`, also for another domain's id, or `upload-deleted`. */
export async function findUpload(
  db: Database,
  { domainId, id }: { domainId: string; id: string },
): Promise<UploadedFile> {
  const file = await findFile(db, domainId, id)
  if (!file) throw uploadNotFound()
  if (file.status === 'deleted') throw new Refusal('upload-deleted', 'This upload has been deleted.')
  return file
}

export function uploadNotFound(): Refusal {
  return new Refusal('upload-not-found', 'There is no upload with this id here.')
}
