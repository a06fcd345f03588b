import { and, eq, isNull, ne } from 'drizzle-orm'
import type { Database } from './database.ts'
import {
  apiKeys,
  callbackSecrets,
  deadLetters,
  domainDays,
  idempotencyKeys,
  uploadedFiles,
  webhookDeliveries,
  webhookEndpoints,
  webhookProgress,
} from './schema.ts'

/** Files of a domain that are not deleted yet, half uploaded ones included. */
export async function findRemainingFiles(
  db: Database,
  domainId: string,
  limit: number,
): Promise<{ id: string; domainId: string }[]> {
  return db
    .select({ id: uploadedFiles.id, domainId: uploadedFiles.domainId })
    .from(uploadedFiles)
    .where(and(eq(uploadedFiles.domainId, domainId), ne(uploadedFiles.status, 'deleted')))
    .limit(limit)
}

/** Deleted files of a domain whose objects are gone for good. */
export async function findTombstones(db: Database, domainId: string, limit: number): Promise<string[]> {
  const rows = await db
    .select({ id: uploadedFiles.id })
    .from(uploadedFiles)
    .where(
      and(
        eq(uploadedFiles.domainId, domainId),
        eq(uploadedFiles.status, 'deleted'),
        isNull(uploadedFiles.removalDueAt),
      ),
    )
    .limit(limit)
  return rows.map((row) => row.id)
}

/** Whether any row of a file is left, be it one whose object is still to be removed. */
export async function hasFiles(db: Database, domainId: string): Promise<boolean> {
  const row = await db
    .select({ id: uploadedFiles.id })
    .from(uploadedFiles)
    .where(eq(uploadedFiles.domainId, domainId))
    .limit(1)
    .get()
  return row !== undefined
}

/**
 * Forgets what a domain without files has beside its account: keys, kept answers, what came in by day, jobs that were
 * given up, and whom it told.
 */
export async function forgetBelongings(db: Database, domainId: string): Promise<void> {
  await db.batch([
    db.delete(apiKeys).where(eq(apiKeys.domainId, domainId)),
    db.delete(idempotencyKeys).where(eq(idempotencyKeys.domainId, domainId)),
    db.delete(domainDays).where(eq(domainDays.domainId, domainId)),
    db.delete(deadLetters).where(eq(deadLetters.domainId, domainId)),
    db.delete(webhookEndpoints).where(eq(webhookEndpoints.domainId, domainId)),
    db.delete(webhookDeliveries).where(eq(webhookDeliveries.domainId, domainId)),
    db.delete(webhookProgress).where(eq(webhookProgress.domainId, domainId)),
    db.delete(callbackSecrets).where(eq(callbackSecrets.domainId, domainId)),
  ])
}
