import type { Credential } from '../core/access.ts'
import type { RangeAnswer } from '../core/byte-range.ts'
import { Refusal } from '../core/errors.ts'
import type { Policy } from '../core/policy.ts'
import type { UploadedFile } from '../core/uploaded-file.ts'
import type { ObjectStorage } from '../storage/object-storage.ts'

/**
 * Throws `not-ready` while the content of a file must not be served to this reader: only `complete` files are, unless the
 * policy says more, or a step of the file's own processing has asked this processor.
 */
export function requireReadable(file: UploadedFile, policy: Policy, reader: Credential): void {
  if (file.status === 'complete') return
  const isProcessed = file.status === 'processing' || file.status === 'pending'
  if (reader.kind === 'processor' && isProcessed && reader.generation === file.generation) return
  // What was processed before and found bad stays shut while it is processed again.
  const isFirstPass = file.generation === 1 && (file.status === 'pending' || file.status === 'processing')
  if (policy.readBeforeComplete && isFirstPass) return
  throw new Refusal('not-ready', `The content of this upload is served once it is complete; it is ${file.status}.`, {
    facts: { uploadStatus: file.status },
  })
}

/** Opens the content, or a range of it that lies inside. Throws `upload-not-found` when it is gone. */
export async function openContent(
  storage: ObjectStorage,
  file: UploadedFile,
  range: Exclude<RangeAnswer, { kind: 'unsatisfiable' }>,
): Promise<ReadableStream<Uint8Array>> {
  const object = await storage.read(file.objectKey, range.kind === 'part' ? range : undefined)
  // Deleted between the two reads, or lost: either way there is nothing to serve.
  if (!object) throw new Refusal('upload-not-found', 'The content of this upload is gone.')
  return object.body
}
