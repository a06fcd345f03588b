import { Refusal } from '../core/errors.ts'
import type { Clock, Log } from '../core/ports.ts'
import type { Protocol } from '../core/uploaded-file.ts'
import type { Database } from '../db/database.ts'
import { findFile } from '../db/uploaded-files/reads.ts'
import { uploadNotFound } from '../services/find-upload.ts'
import { discardClaim } from '../services/receive/discard-claim.ts'
import type { ObjectStorage } from '../storage/object-storage.ts'
import { sessionEnded } from './rules.ts'

/**
 * Why there is no session of this protocol with this id, to be thrown: the upload has ended (410), or there never was one
 * (404). A row that has lost its session can't be finished by anybody, and is discarded; that of another protocol may be
 * of a request that is still under way, and is left alone.
 */
export async function lostSession(
  parts: { db: Database; storage: ObjectStorage; now: Clock; log: Log },
  claim: { domainId: string; id: string },
  protocol: Protocol,
): Promise<Refusal> {
  const file = await findFile(parts.db, claim.domainId, claim.id)
  if (file?.protocol !== protocol) return uploadNotFound()
  if (file.status === 'deleted') return new Refusal('upload-deleted', 'This upload has been deleted.')
  if (file.status !== 'uploading')
    return new Refusal('upload-not-found', 'This upload is complete, and can no longer be asked for here.')
  await discardClaim(parts, claim)
  return sessionEnded()
}
