import { and, eq, inArray, type SQL, sql } from 'drizzle-orm'
import { transitions } from '../../core/status.ts'
import type { UploadedFile } from '../../core/uploaded-file.ts'
import type { Database } from '../database.ts'
import { recordLatestEvent } from '../file-events.ts'
import { domainAccounts, uploadedFiles } from '../schema.ts'
import { giveBackUses } from '../token-uses.ts'
import { ownedBy, stamp } from './move.ts'

/** What was deleted, and from when on R2 may be asked to remove what it holds of it. */
export interface DeletedFile {
  id: string
  objectKey: string
  r2UploadId: string | null
  deletedAt: number
  removalDueAt: number
}

/**
 * Deletes a file: its quota is free, the use of its token given back if it was never accepted, and its name and metadata are gone with this one batch; the object follows.
 * With `onlyFrom`, just a file that is still in that status. Undefined: there was nothing (more) to delete.
 */
export async function deleteFile(
  db: Database,
  file: { domainId: string; id: string },
  now: number,
  onlyFrom?: 'uploading',
): Promise<(DeletedFile & Pick<UploadedFile, 'domainId' | 'protocol'>) | undefined> {
  const from = onlyFrom ? [onlyFrom] : transitions.delete.from
  const mayDelete = and(ownedBy(file), inArray(uploadedFiles.status, from))
  const freed = (amount: SQL) => sql`(SELECT ${amount} FROM ${uploadedFiles} WHERE ${mayDelete})`
  const [, , rows] = await db.batch([
    db
      .update(domainAccounts)
      .set({
        storedFiles: sql`stored_files - ${freed(sql`count(*) FILTER (WHERE NOT is_partial)`)}`,
        storedBytes: sql`stored_bytes - ${freed(sql`coalesce(sum(size), 0)`)}`,
      })
      .where(eq(domainAccounts.domainId, file.domainId)),
    giveBackUses(db, mayDelete),
    db
      .update(uploadedFiles)
      .set({
        status: transitions.delete.to,
        filename: '',
        metadata: {},
        tracestate: null,
        // A worker that still holds it may write until its lease ends; what it writes must go as well.
        removalDueAt: sql`max(${now}, coalesce(lease_expires_at, 0))`,
        leaseExpiresAt: null,
        nextPublishAt: null,
        nextAttemptAt: null,
        postponedAt: null,
        failureCode: null,
        failureDetail: null,
        ...stamp(now),
      })
      .where(mayDelete)
      .returning({
        id: uploadedFiles.id,
        domainId: uploadedFiles.domainId,
        protocol: uploadedFiles.protocol,
        objectKey: uploadedFiles.objectKey,
        r2UploadId: uploadedFiles.r2UploadId,
        removalDueAt: uploadedFiles.removalDueAt,
      }),
    recordLatestEvent(db, file.id),
  ])
  const [row] = rows
  return row && { ...row, deletedAt: now, removalDueAt: row.removalDueAt ?? now }
}
