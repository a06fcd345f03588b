import { objectKey } from '../core/object-key.ts'
import type { Clock, Log } from '../core/ports.ts'
import type { Database } from '../db/database.ts'
import { claimFile, recordR2Upload, reserveBytes } from '../db/uploaded-files/claimed.ts'
import { refusalOfCommit, uploadDeleted } from '../services/receive/commit.ts'
import { discardClaim } from '../services/receive/discard-claim.ts'
import type { ObjectStorage } from '../storage/object-storage.ts'
import type { Ledger } from './ledger.ts'
import type { Opening } from './session.ts'

/**
 * Claims the row of a new upload, which reserves its length as far as it is known. Throws why the domain may not have it;
 * where nobody knows whether it has, what there is of it is undone.
 */
export async function claimUpload(
  parts: { db: Database; storage: ObjectStorage; now: Clock; log: Log },
  opening: Opening,
): Promise<void> {
  const { db, now } = parts
  const { id, domainId, filename, declaredType, length, metadata, protocol, callbackUrl, trace, expiresAt, role } =
    opening
  const file = {
    id,
    objectKey: objectKey(id, domainId),
    filename,
    declaredType,
    type: declaredType ?? 'application/octet-stream',
    charset: null,
    size: length ?? 0,
    metadata,
    protocol,
    callbackUrl,
    trace,
    r2UploadId: null,
    expiresAt,
    isPartial: role.kind === 'partial',
  }
  try {
    await claimFile(db, opening.committer, file, now())
  } catch (error) {
    const refusal = refusalOfCommit(error)
    if (!refusal) await discardClaim(parts, { domainId, id })
    throw refusal ?? error
  }
}

/** Sees to it that this many bytes of an upload are reserved against the quota. Throws `quota-exceeded` and its like. */
export async function reserveUpTo({ ledger, db }: { ledger: Ledger; db: Database }, bytes: number): Promise<void> {
  while (ledger.progress.reservedBytes < bytes) {
    const from = ledger.progress.reservedBytes
    const reserved = await reserveBytes(db, ledger.opening, { from, to: bytes }).catch((error) => {
      throw refusalOfCommit(error) ?? error
    })
    if (reserved === null) throw uploadDeleted()
    ledger.note({ reservedBytes: reserved })
  }
}

/** Sees to it that there is a multipart upload in R2 for the parts, and that the row says which. */
export async function ensureMultipart({
  ledger,
  db,
  storage,
}: {
  ledger: Ledger
  db: Database
  storage: ObjectStorage
}): Promise<void> {
  if (ledger.progress.r2UploadId !== null) return
  const { id, domainId } = ledger.opening
  const key = objectKey(id, domainId)
  const upload = await storage.startMultipart(key)
  try {
    // Before the first part: whatever happens next, the reconciler finds it in the row.
    if (!(await recordR2Upload(db, { id, domainId }, upload.id))) throw uploadDeleted()
  } catch (error) {
    await storage.abortMultipart(key, upload.id).catch(() => {})
    throw error
  }
  ledger.note({ r2UploadId: upload.id })
}
