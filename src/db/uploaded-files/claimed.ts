import { and, eq, sql } from 'drizzle-orm'
import { commitWindowMs, timeOfId } from '../../core/object-key.ts'
import { compile } from '../compiled.ts'
import type { Database } from '../database.ts'
import { admit } from '../domain-accounts.ts'
import { isNoDomain, policyField } from '../domain-policies.ts'
import { recordLatestEvent } from '../file-events.ts'
import { insertRows, rowsAsJson } from '../insert-rows.ts'
import { domainAccounts, uploadedFiles } from '../schema.ts'
import { type Committer, type FileToCommit, oldestTime, takeStatements } from './commit.ts'
import { ownedBy } from './move.ts'

/** A row at `uploading`. */
interface Claimed {
  domainId: string
  id: string
}

/** A row to be claimed at `uploading`. */
export type FileToClaim = Omit<FileToCommit, 'claim' | 'sha256'> & {
  /** Null as long as nothing is written to R2 in parts. */
  r2UploadId: string | null
  /** Set for a resumable upload: milliseconds since 1970. */
  expiresAt?: number
  /** Set for a piece of a file to be joined: it reserves bytes, and is no file. */
  isPartial?: boolean
}

const insertClaims = compile((db) => insertRows(db, uploadedFiles, sql.placeholder('rows')))
const recordEvent = compile((db) => recordLatestEvent(db, sql.placeholder('id')))

/**
 * Claims a row at `uploading` for a file that is larger than one part: it reserves `file.size` bytes and records R2's
 * upload id, so that whatever happens next can be cleaned up. Throws like `commitFiles`.
 */
export async function claimFile(db: Database, committer: Committer, file: FileToClaim, now: number): Promise<void> {
  const { trace, ...details } = file
  const row = {
    ...details,
    ...trace,
    domainId: committer.domainId,
    tokenId: committer.token?.tokenId ?? null,
    sha256: '',
    status: 'uploading' as const,
    lastEvent: 1,
    createdAt: timeOfId(file.id),
    updatedAt: now,
  }
  await db.$client.batch([
    admit(db, {
      ...committer,
      files: file.isPartial ? 0 : 1,
      bytes: file.size,
      accepted: 0,
      claimedIds: [],
      idempotency: null,
      oldestIdTime: oldestTime(committer, [{ id: file.id, claim: null }], now),
      oldestAllowedAgeMs: commitWindowMs,
    }),
    ...takeStatements(db, committer, 1),
    insertClaims(db, { rows: rowsAsJson(uploadedFiles, [row]) }),
    recordEvent(db, { id: file.id }),
  ])
}

const isClaimed = (claim: Claimed) => and(ownedBy(claim), eq(uploadedFiles.status, 'uploading'))

/** Records R2's id of the multipart upload that a claim is written through. Returns whether the claim is still there. */
export async function recordR2Upload(db: Database, claim: Claimed, r2UploadId: string): Promise<boolean> {
  const rows = await db
    .update(uploadedFiles)
    .set({ r2UploadId })
    .where(isClaimed(claim))
    .returning({ id: uploadedFiles.id })
  return rows.length > 0
}

/**
 * Has a claim reserve `to` bytes instead of `from`, before they are stored. Returns how many are reserved now: `from` may
 * be wrong where the answer to an earlier call was lost, and then nothing is changed; null when the claim is gone. Throws
 * a constraint violation named after a `CommitRefusal` when the domain may not have them.
 */
export async function reserveBytes(
  db: Database,
  claim: Claimed,
  { from, to }: { from: number; to: number },
): Promise<number | null> {
  const isAsBefore = and(isClaimed(claim), eq(uploadedFiles.size, from))
  const found = sql`EXISTS (SELECT 1 FROM ${uploadedFiles} WHERE ${isAsBefore})`
  const [, , rows] = await db.batch([
    db
      .update(domainAccounts)
      .set({
        storedBytes: sql`stored_bytes + ${to - from}`,
        refusal: sql`CASE
          WHEN ${isNoDomain} THEN 'domain_deleted'
          WHEN suspended_at IS NOT NULL THEN 'domain_suspended'
          WHEN stored_bytes + ${to - from} > ${policyField('quotaBytes')} THEN 'quota_bytes'
        END`,
      })
      .where(and(eq(domainAccounts.domainId, claim.domainId), found)),
    db.update(uploadedFiles).set({ size: to }).where(isAsBefore),
    db.select({ size: uploadedFiles.size }).from(uploadedFiles).where(isClaimed(claim)),
  ])
  return rows[0]?.size ?? null
}

/**
 * Has a claim take over what partial uploads of its domain have reserved, `bytes` in all, and lets them live until
 * `expiresAt` at least: nothing changes for the quota, and nobody can come in between. All or nothing: where one of them
 * has given it away to another claim, nothing is changed. Returns how many bytes the claim reserves now, which is `bytes`
 * also where an earlier call, whose answer was lost, has taken them over; null when the claim is gone.
 */
export async function takeOverReservations(
  db: Database,
  claim: Claimed,
  { partialIds, bytes, expiresAt }: { partialIds: readonly string[]; bytes: number; expiresAt: number },
): Promise<number | null> {
  const isPartial = sql`domain_id = ${claim.domainId} AND is_partial AND status = 'uploading'
    AND id IN (SELECT value FROM json_each(${JSON.stringify(partialIds)}))`
  const areAllThere = sql`(SELECT coalesce(sum(size), 0) FROM uploaded_files WHERE ${isPartial}) = ${bytes}`
  const [, , rows] = await db.batch([
    db
      .update(uploadedFiles)
      .set({ size: sql`size + ${bytes}` })
      .where(and(isClaimed(claim), areAllThere)),
    db
      .update(uploadedFiles)
      .set({ size: 0, expiresAt: sql`max(expires_at, ${expiresAt})` })
      .where(and(isPartial, areAllThere, sql`EXISTS (SELECT 1 FROM ${uploadedFiles} WHERE ${isClaimed(claim)})`)),
    db.select({ size: uploadedFiles.size }).from(uploadedFiles).where(isClaimed(claim)),
  ])
  return rows[0]?.size ?? null
}
