import { and, eq, inArray, type SQL, sql } from 'drizzle-orm'
import { type Transition, transitions } from '../../core/status.ts'
import type { UploadedFile } from '../../core/uploaded-file.ts'
import type { Database } from '../database.ts'
import { recordLatestEvent } from '../file-events.ts'
import { uploadedFiles } from '../schema.ts'
import { fileColumns, toUploadedFile } from './columns.ts'

/** Which row, and the worker that must still hold it: two workers can never both win. */
export interface Hold {
  domainId: string
  id: string
  generation: number
  /** Which of its attempts this is. */
  attempt: number
  /** Which of its leases this is. */
  leaseNumber: number
}

/** One guarded update and its event, in one batch. */
export async function move(
  db: Database,
  file: { domainId: string; id: string },
  transition: Transition,
  now: number,
  { where, set }: { where: SQL | undefined; set: Record<string, unknown> },
): Promise<UploadedFile | undefined> {
  const { from, to } = transitions[transition]
  const [rows] = await db.batch([
    db
      .update(uploadedFiles)
      .set({ ...stamp(now), ...set, status: to })
      .where(and(ownedBy(file), inArray(uploadedFiles.status, from), where))
      .returning(fileColumns),
    recordLatestEvent(db, file.id),
  ])
  return rows[0] && toUploadedFile(rows[0])
}

export function ownedBy(file: { domainId: string; id: string }): SQL | undefined {
  return and(eq(uploadedFiles.domainId, file.domainId), eq(uploadedFiles.id, file.id))
}

/** The row of a file while it is in this generation: what a job of an earlier one finds no more. */
export function inGeneration(file: { domainId: string; id: string; generation: number }): SQL | undefined {
  return and(ownedBy(file), eq(uploadedFiles.generation, file.generation))
}

export function heldBy(hold: Hold): SQL | undefined {
  return and(eq(uploadedFiles.generation, hold.generation), eq(uploadedFiles.leaseNumber, hold.leaseNumber))
}

export function stamp(now: number) {
  return { lastEvent: sql`last_event + 1`, updatedAt: now }
}
