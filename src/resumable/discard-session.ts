import { objectKey } from '../core/object-key.ts'
import type { Clock, Log } from '../core/ports.ts'
import { findFile } from '../db/uploaded-files/reads.ts'
import { discardClaim } from '../services/receive/discard-claim.ts'
import type { ObjectStorage } from '../storage/object-storage.ts'
import { type JoinParts, removePieces } from './join-partials.ts'

export interface DiscardParts extends JoinParts {
  storage: ObjectStorage
  now: Clock
  log: Log
}

/**
 * Ends a session, with the pieces that it was to be joined of, once it has taken over their room, and all that an upload
 * which was not committed holds: its row, and its parts. Never throws for these: each is found by others in time.
 */
export async function discardSession(parts: DiscardParts): Promise<void> {
  const { ledger, log } = parts
  const { opening, progress } = ledger
  await removePieces(parts).catch((error) => {
    // Each ends when its own time is over.
    log('warn', 'pieces-not-removed', { uploadId: opening.id, error })
  })
  if (progress.stage !== 'committed') {
    await discardClaim(parts, opening)
    await removeUnknown(parts).catch((error) => {
      // The walk over the bucket finds an object, and the bucket's lifecycle rule ends an upload.
      log('warn', 'discard-session-failed', { uploadId: opening.id, error })
    })
  }
  await ledger.clear()
}

/** Removes what R2 holds where the row is gone, so that only this session knows of it. */
async function removeUnknown({ ledger, storage, db }: DiscardParts): Promise<void> {
  const { id, domainId } = ledger.opening
  const { r2UploadId, stage } = ledger.progress
  const key = objectKey(id, domainId)
  if (r2UploadId !== null) await storage.abortMultipart(key, r2UploadId)
  // A row may say that the file is accepted after all; one that is deleted has its object removed.
  if (stage === 'stored' && !(await findFile(db, domainId, id))) await storage.remove([key])
}
