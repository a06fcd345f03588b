import type { Credential } from '../core/access.ts'
import type { RangeAnswer } from '../core/byte-range.ts'
import { Refusal } from '../core/errors.ts'
import { variantFilename } from '../core/filename.ts'
import type { Policy } from '../core/policy.ts'
import type { Variant } from '../core/step-run.ts'
import type { UploadedFile } from '../core/uploaded-file.ts'
import type { Database } from '../db/database.ts'
import { findVariant } from '../db/step-runs.ts'
import type { ObjectStorage } from '../storage/object-storage.ts'
import { findUpload } from './find-upload.ts'

/** All of some bytes, or a range that lies inside. */
type OpenRange = Exclude<RangeAnswer, { kind: 'unsatisfiable' }>

/** Whether the content and the variants of a file may be served: only `complete` files are, unless the policy says more. */
export function isReadable(file: UploadedFile, policy: Policy): boolean {
  if (file.status === 'complete') return true
  // What was processed before and found bad stays shut while it is processed again.
  const isFirstPass = file.generation === 1 && (file.status === 'pending' || file.status === 'processing')
  return policy.readBeforeComplete && isFirstPass
}

/**
 * Throws `not-ready` while the content of a file must not be served to this reader. A processor that a step of the file
 * has asked reads it during that step's own generation.
 */
export function requireReadable(file: UploadedFile, policy: Policy, reader?: Credential): void {
  const isProcessed = file.status === 'processing' || file.status === 'pending'
  if (reader?.kind === 'processor' && isProcessed && reader.generation === file.generation) return
  if (isReadable(file, policy)) return
  throw new Refusal('not-ready', `The content of this upload is served once it is complete; it is ${file.status}.`, {
    facts: { uploadStatus: file.status },
  })
}

/** Opens the content, or a range of it. Throws `upload-not-found` when it is gone. */
export async function openContent(
  storage: ObjectStorage,
  file: UploadedFile,
  range: OpenRange,
): Promise<ReadableStream<Uint8Array>> {
  const object = await storage.read(file.objectKey, range.kind === 'part' ? range : undefined)
  // Deleted between the two reads, or lost: either way there is nothing to serve.
  if (!object) throw new Refusal('upload-not-found', 'The content of this upload is gone.')
  return object.body
}

/**
 * A variant that may be served, with the name to save it under. Throws as `findUpload` and `requireReadable` do, and
 * `variant-not-found`.
 */
export async function findReadableVariant(
  db: Database,
  { domainId, id, name }: { domainId: string; id: string; name: string },
  policy: Policy,
): Promise<{ filename: string; variant: Variant }> {
  const file = await findUpload(db, { domainId, id })
  requireReadable(file, policy)
  const variant = await findVariant(db, file.id, name)
  if (!variant) throw new Refusal('variant-not-found', 'This upload has no variant of this name.')
  return { filename: variantFilename(file.filename, variant), variant }
}

/** Opens a variant, or a range of it. Throws `variant-not-found` when another has taken its place. */
export async function openVariant(
  storage: ObjectStorage,
  variant: Variant,
  range: OpenRange,
): Promise<ReadableStream<Uint8Array>> {
  const object = await storage.read(variant.objectKey, range.kind === 'part' ? range : undefined)
  if (!object) throw new Refusal('variant-not-found', 'This variant has been made anew. Ask for it again.')
  return object.body
}
