import { and, asc, desc, eq, gt, inArray, lte, max, type Placeholder, type SQL, sql } from 'drizzle-orm'
import type { FileEvent } from '../core/file-event.ts'
import type { FileStatus } from '../core/status.ts'
import type { Database } from './database.ts'
import { fileEvents, uploadedFiles } from './schema.ts'

/**
 * The statement that follows every change of a file's row, in the same batch: it writes the event that the row names as
 * its latest (`last_event`), unless that one is there already. So a guarded update that did not happen leaves no event,
 * one that did leaves exactly one, and the numbers have no gaps. Of a partial upload nobody is told anything.
 */
export function recordLatestEvent(db: Database, fileId: string | Placeholder) {
  return recordLatestEventsOf(db, sql`${uploadedFiles.id} = ${fileId}`)
}

/** The same for several files, whose ids come as a JSON array. */
export function recordLatestEvents(db: Database, fileIds: string | Placeholder) {
  return recordLatestEventsOf(db, sql`${uploadedFiles.id} IN (SELECT value FROM json_each(${fileIds}))`)
}

function recordLatestEventsOf(db: Database, these: SQL) {
  const file = uploadedFiles
  return db.insert(fileEvents).select(
    sql`SELECT NULL, ${file.id}, ${file.domainId}, ${file.lastEvent}, ${file.status}, ${file.generation},
          ${file.failureCode}, ${file.failureDetail}, ${file.updatedAt}
        FROM ${file}
        WHERE ${these} AND NOT ${file.isPartial} AND NOT EXISTS (
          SELECT 1 FROM ${fileEvents} WHERE ${fileEvents.fileId} = ${file.id} AND ${fileEvents.number} = ${file.lastEvent})
        ORDER BY ${file.id}`,
  )
}

/** Which of a file's events: those after the one with this number, or after this place in the database, up to another. */
export interface FileEventRange {
  afterNumber?: number | undefined
  afterSeq?: number | undefined
  untilSeq?: number | undefined
}

/** A file's events, oldest first, at most `limit`. */
export async function findFileEvents(
  db: Database,
  file: { domainId: string; id: string },
  { afterNumber, afterSeq, untilSeq }: FileEventRange,
  limit: number,
): Promise<FileEvent[]> {
  const rows = await db
    .select(eventColumns)
    .from(fileEvents)
    .where(
      and(
        eq(fileEvents.fileId, file.id),
        eq(fileEvents.domainId, file.domainId),
        afterNumber === undefined ? undefined : gt(fileEvents.number, afterNumber),
        afterSeq === undefined ? undefined : gt(fileEvents.seq, afterSeq),
        untilSeq === undefined ? undefined : lte(fileEvents.seq, untilSeq),
      ),
    )
    .orderBy(asc(fileEvents.number))
    .limit(limit)
  return rows.map(toFileEvent)
}

/** Which of a domain's events: those after one place, up to another, of these statuses. */
export interface DomainEventRange {
  afterSeq: number
  untilSeq?: number | undefined
  /** Null: of every status. */
  statuses: readonly FileStatus[] | null
}

/** A domain's events in the order in which they happened, at most `limit`. */
export async function findDomainEvents(
  db: Database,
  domainId: string,
  range: DomainEventRange,
  limit: number,
): Promise<FileEvent[]> {
  const rows = await db
    .select(eventColumns)
    .from(fileEvents)
    .where(inRange(domainId, range))
    .orderBy(asc(fileEvents.seq))
    .limit(limit)
  return rows.map(toFileEvent)
}

/** After which place the newest `count` events of a range begin; undefined when it has no more than that. */
export async function findStartOfNewest(
  db: Database,
  domainId: string,
  range: DomainEventRange,
  count: number,
): Promise<number | undefined> {
  const row = await db
    .select({ seq: fileEvents.seq })
    .from(fileEvents)
    .where(inRange(domainId, range))
    .orderBy(desc(fileEvents.seq))
    .limit(1)
    .offset(count)
    .get()
  return row?.seq
}

/** Whether the event at this place is (still) one of the domain's. */
export async function hasEvent(db: Database, domainId: string, seq: number): Promise<boolean> {
  const row = await db
    .select({ seq: fileEvents.seq })
    .from(fileEvents)
    .where(and(eq(fileEvents.seq, seq), eq(fileEvents.domainId, domainId)))
    .get()
  return row !== undefined
}

/** The place of a domain's newest event; 0 when it has none. */
export async function findNewestSeq(db: Database, domainId: string): Promise<number> {
  const row = await db
    .select({ seq: max(fileEvents.seq) })
    .from(fileEvents)
    .where(eq(fileEvents.domainId, domainId))
    .get()
  return row?.seq ?? 0
}

const eventColumns = {
  seq: fileEvents.seq,
  fileId: fileEvents.fileId,
  number: fileEvents.number,
  status: fileEvents.kind,
  generation: fileEvents.generation,
  failureCode: fileEvents.failureCode,
  failureDetail: fileEvents.failureDetail,
  at: fileEvents.createdAt,
}

function inRange(domainId: string, { afterSeq, untilSeq, statuses }: DomainEventRange): SQL | undefined {
  return and(
    eq(fileEvents.domainId, domainId),
    gt(fileEvents.seq, afterSeq),
    untilSeq === undefined ? undefined : lte(fileEvents.seq, untilSeq),
    statuses ? inArray(fileEvents.kind, [...statuses]) : undefined,
  )
}

type EventRow = Omit<FileEvent, 'failure'> & { failureCode: string | null; failureDetail: string | null }

function toFileEvent({ failureCode, failureDetail, ...row }: EventRow): FileEvent {
  return { ...row, failure: failureCode === null ? null : { code: failureCode, detail: failureDetail ?? '' } }
}
