import { sql } from 'drizzle-orm'
import { check, index, integer, primaryKey, real, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import type { Metadata } from '../../core/metadata.ts'
import { type FileStatus, fileStatuses } from '../../core/status.ts'
import type { StepRun } from '../../core/step-run.ts'
import type { Protocol } from '../../core/uploaded-file.ts'
import { domainAccounts } from './domains.ts'

export const uploadedFiles = sqliteTable(
  'uploaded_files',
  {
    /** UUIDv7: ordered by time. */
    id: text().primaryKey(),
    domainId: text('domain_id')
      .notNull()
      .references(() => domainAccounts.domainId),
    objectKey: text('object_key').notNull(),
    /** R2's id of the multipart upload that the file is written through; null for a file of one `put`. */
    r2UploadId: text('r2_upload_id'),
    /** Until when a resumable upload may be gone on with; null for what is one request. */
    expiresAt: integer('expires_at'),
    /** Whether it is a piece of a file to be joined: it holds room, and is no file to anybody. Never committed. */
    isPartial: integer('is_partial', { mode: 'boolean' }).notNull().default(false),
    /** The upload token it came in with. */
    tokenId: text('token_id'),
    filename: text().notNull(),
    declaredType: text('declared_type'),
    type: text().notNull(),
    /** Null for what is not UTF-8 from its first byte to its last. */
    charset: text({ enum: ['utf-8'] }),
    /** While `uploading`: the declared length, which is reserved against the quota. */
    size: integer().notNull(),
    sha256: text().notNull(),
    status: text({
      enum: fileStatuses as readonly [FileStatus, ...FileStatus[]],
    }).notNull(),
    generation: integer().notNull().default(1),
    attempts: integer().notNull().default(0),
    /** Counts the leases. A worker writes only while the number is still that of its own (a fencing token). */
    leaseNumber: integer('lease_number').notNull().default(0),
    leaseExpiresAt: integer('lease_expires_at'),
    publishCount: integer('publish_count').notNull().default(0),
    /** The row is its own outbox: at this time its job is published (again). Null when no job is wanted. */
    nextPublishAt: integer('next_publish_at'),
    /** No attempt before this time. */
    nextAttemptAt: integer('next_attempt_at'),
    failureCode: text('failure_code'),
    failureDetail: text('failure_detail'),
    metadata: text({ mode: 'json' }).$type<Metadata>().notNull(),
    protocol: text().$type<Protocol>().notNull(),
    /** Who is told once when a generation ends; null for nobody. */
    callbackUrl: text('callback_url'),
    /** The request that the file came in with, as its trace is handed on (W3C Trace Context); null for none. */
    traceparent: text(),
    tracestate: text(),
    /** The number of the newest row in `file_events` for this file. */
    lastEvent: integer('last_event').notNull(),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
    completedAt: integer('completed_at'),
    /** Since when the file waits because its domain has as many running as it may have. */
    postponedAt: integer('postponed_at'),
    /** Of a deleted file: when R2 is asked (again) to remove its object. Null when that is done for good. */
    removalDueAt: integer('removal_due_at'),
  },
  (table) => [
    check(
      'status_known',
      sql`status IN ('uploading','pending','processing','complete','failed','quarantined','deleted')`,
    ),
    index('uploaded_files_by_domain').on(table.domainId, table.id),
    // The reconciler's queries each read one of these, which hold only the rows that are due for something.
    index('uploaded_files_to_publish').on(table.nextPublishAt).where(sql`next_publish_at IS NOT NULL`),
    index('uploaded_files_leased').on(table.leaseExpiresAt).where(sql`lease_expires_at IS NOT NULL`),
    index('uploaded_files_uploading').on(table.createdAt).where(sql`status = 'uploading'`),
    index('uploaded_files_running').on(table.domainId, table.leaseExpiresAt).where(sql`status = 'processing'`),
    index('uploaded_files_postponed').on(table.domainId, table.postponedAt).where(sql`postponed_at IS NOT NULL`),
    index('uploaded_files_to_remove').on(table.removalDueAt).where(sql`removal_due_at IS NOT NULL`),
    index('uploaded_files_tombstones').on(table.updatedAt).where(sql`status = 'deleted' AND removal_due_at IS NULL`),
  ],
)

/** The facts about each file, numbered from 1 without gaps. `seq` orders the events of a whole domain. */
export const fileEvents = sqliteTable(
  'file_events',
  {
    seq: integer().primaryKey({ autoIncrement: true }),
    fileId: text('file_id').notNull(),
    domainId: text('domain_id').notNull(),
    number: integer().notNull(),
    kind: text().$type<EventKind>().notNull(),
    generation: integer().notNull(),
    /** Failure code and sentence where the event is a failure or a retry. */
    failureCode: text('failure_code'),
    failureDetail: text('failure_detail'),
    createdAt: integer('created_at').notNull(),
  },
  (table) => [
    uniqueIndex('file_events_by_file').on(table.fileId, table.number),
    // What comes after an event in its whole domain: live watchers go on from there.
    index('file_events_by_domain').on(table.domainId, table.seq),
  ],
)

/** An event is named for the status that the file has reached; see `core/status.ts`. */
export type EventKind = FileStatus

/** How far each step of a generation is, and what it found. */
export const stepRuns = sqliteTable(
  'step_runs',
  {
    fileId: text('file_id').notNull(),
    generation: integer().notNull(),
    step: text().notNull(),
    status: text().$type<StepRun['status']>().notNull(),
    attempt: integer().notNull(),
    progress: real(),
    state: text({ mode: 'json' }).$type<unknown>(),
    answer: text({ mode: 'json' }).$type<unknown>(),
    result: text({ mode: 'json' }).$type<Record<string, unknown>>(),
    durationMs: integer('duration_ms').notNull().default(0),
    finishedAt: integer('finished_at'),
  },
  (table) => [primaryKey({ columns: [table.fileId, table.generation, table.step] })],
)

/** What the steps have made of a file. The object of each lies beside the file's own. */
export const fileVariants = sqliteTable(
  'file_variants',
  {
    fileId: text('file_id').notNull(),
    name: text().notNull(),
    step: text().notNull(),
    objectKey: text('object_key').notNull(),
    type: text().notNull(),
    size: integer().notNull(),
    sha256: text().notNull(),
    width: integer(),
    height: integer(),
  },
  (table) => [primaryKey({ columns: [table.fileId, table.name] })],
)
