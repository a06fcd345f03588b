import { Refusal } from '../core/errors.ts'
import type { Watchers } from '../core/ports.ts'
import type { UploadedFile } from '../core/uploaded-file.ts'
import { reprocessFile } from '../db/uploaded-files/finish.ts'
import { findUpload } from './find-upload.ts'
import { publishJobs } from './publish-jobs.ts'
import { type TellParts, tellWebhooks } from './webhooks/tell-webhooks.ts'

/** Sends a finished file through processing again, as its next generation. Throws `status-conflict` while it is not finished. */
export async function reprocessUpload(
  parts: TellParts & { watchers: Pick<Watchers, 'hint'> },
  { domainId, id }: { domainId: string; id: string },
): Promise<UploadedFile> {
  const file = await findUpload(parts.db, { domainId, id })
  const again = await reprocessFile(parts.db, file, parts.now())
  if (!again) {
    throw new Refusal('status-conflict', `Only a finished upload can be processed again; this one is ${file.status}.`, {
      facts: { uploadStatus: file.status },
    })
  }
  parts.watchers.hint(domainId)
  await publishJobs(parts, [
    {
      kind: 'process',
      id,
      domainId,
      generation: again.generation,
      publish: 1,
      bytes: again.size,
    },
  ])
  await tellWebhooks(parts, domainId)
  return again
}
