import { Refusal } from '../core/errors.ts'
import type { Clock, Log } from '../core/ports.ts'
import type { Database } from '../db/database.ts'
import { findUpload } from '../services/find-upload.ts'
import { discardClaim } from '../services/receive/discard-claim.ts'
import type { ObjectStorage } from '../storage/object-storage.ts'
import { sessionEnded } from './rules.ts'

/**
 * Why there is no session of this id, to be thrown: the upload has ended (410), or there never was one (404). A row that
 * has lost its session can't be finished by anybody, and is discarded.
 */
export async function lostSession(
  parts: { db: Database; storage: ObjectStorage; now: Clock; log: Log },
  claim: { domainId: string; id: string },
): Promise<Refusal> {
  try {
    const file = await findUpload(parts.db, claim)
    if (file.status !== 'uploading')
      return new Refusal('upload-not-found', 'This upload is complete, and can no longer be asked for here.')
  } catch (error) {
    if (error instanceof Refusal) return error
    throw error
  }
  await discardClaim(parts, claim)
  return sessionEnded()
}
