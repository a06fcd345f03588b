import { sql } from 'drizzle-orm'
import { check, index, integer, primaryKey, real, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import type { Scope } from '../core/access.ts'
import type { JobKind } from '../core/job.ts'
import type { Jurisdiction } from '../core/jurisdiction.ts'
import type { Metadata } from '../core/metadata.ts'
import type { Policy, PolicyChange } from '../core/policy.ts'
import { type FileStatus, fileStatuses } from '../core/status.ts'
import type { StepRun } from '../core/step-run.ts'
import type { Protocol } from '../core/uploaded-file.ts'
import type { DeliveryStatus, DisabledReason, WebhookEventType } from '../core/webhook.ts'

// Times are milliseconds since 1970, sizes are bytes. `domains` and `hostnames` belong to the control database, every
// other table to the database of its domain, which is another one only where the domain has a jurisdiction.

export const domains = sqliteTable('domains', {
  id: text().primaryKey(),
  slug: text().notNull().unique(),
  /** In which place everything else of it is; null is the deployment's own. */
  jurisdiction: text().$type<Jurisdiction>(),
  createdAt: integer('created_at').notNull(),
})

/** Which hostnames domains claim. Any number may claim one; only one can have proved that it is his. */
export const hostnames = sqliteTable(
  'hostnames',
  {
    hostname: text().notNull(),
    domainId: text('domain_id')
      .notNull()
      .references(() => domains.id),
    createdAt: integer('created_at').notNull(),
    /** Since when it routes. */
    verifiedAt: integer('verified_at'),
  },
  (table) => [
    primaryKey({ columns: [table.hostname, table.domainId] }),
    uniqueIndex('hostnames_verified').on(table.hostname).where(sql`verified_at IS NOT NULL`),
    index('hostnames_by_domain').on(table.domainId),
  ],
)

/** Why a commit may be refused; each is the name of a check of `domain_accounts`, which D1's error message repeats. */
export const commitRefusals = [
  'domain_deleted',
  'domain_suspended',
  'key_revoked',
  'no_longer_open',
  'token_used_up',
  'claim_lost',
  'idempotency_lost',
  'commit_too_late',
  'quota_files',
  'quota_bytes',
] as const
export type CommitRefusal = (typeof commitRefusals)[number]

/**
 * What a domain allows and what it has stored. Every commit updates its row first and writes into `refusal` why it must not
 * happen, if there is a reason: the check of that name then fails the whole batch. (The quota itself is no check: freeing
 * space must work even after an operator has set it below what is stored.)
 */
export const domainAccounts = sqliteTable(
  'domain_accounts',
  {
    domainId: text('domain_id').primaryKey(),
    /** The policy in force: `narrow` of the two below. */
    policy: text({ mode: 'json' }).$type<Policy>().notNull(),
    administratorPolicy: text('administrator_policy', { mode: 'json' }).$type<Policy>().notNull(),
    /** What the domain's manager has set. */
    managerPolicy: text('manager_policy', { mode: 'json' }).$type<PolicyChange>().notNull(),
    /** Counts the changes of any of the three. */
    policyVersion: integer('policy_version').notNull().default(1),
    suspendedAt: integer('suspended_at'),
    deletedAt: integer('deleted_at'),
    /** Since when its files are being removed: from then on there is no way back. */
    purgeStartedAt: integer('purge_started_at'),
    storedFiles: integer('stored_files').notNull().default(0),
    storedBytes: integer('stored_bytes').notNull().default(0),
    /** The month that `month_uploads` counts the accepted files of, as `2026-11` (UTC). */
    usageMonth: text('usage_month').notNull().default(''),
    monthUploads: integer('month_uploads').notNull().default(0),
    /** Always null in a stored row. */
    refusal: text().$type<CommitRefusal>(),
  },
  (table) => [
    ...commitRefusals.map((refusal) => check(refusal, sql.raw(`refusal IS NOT '${refusal}'`))),
    check('stored_not_negative', sql`stored_files >= 0 AND stored_bytes >= 0`),
    index('domain_accounts_deleted').on(table.deletedAt).where(sql`deleted_at IS NOT NULL`),
  ],
)

export const apiKeys = sqliteTable(
  'api_keys',
  {
    id: text().primaryKey(),
    domainId: text('domain_id').notNull(),
    /** SHA-256 of the whole key, hexadecimal. The key has 256 random bits, so a slow hash would add nothing. */
    hash: text().notNull().unique(),
    label: text().notNull(),
    scopes: text({ mode: 'json' }).$type<Scope[]>().notNull(),
    createdAt: integer('created_at').notNull(),
    expiresAt: integer('expires_at'),
    /** To within minutes; null until its first use. */
    lastUsedAt: integer('last_used_at'),
    revokedAt: integer('revoked_at'),
  },
  (table) => [
    index('api_keys_by_domain').on(table.domainId),
    index('api_keys_revoked').on(table.revokedAt).where(sql`revoked_at IS NOT NULL`),
  ],
)

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

/** Jobs that their queue has given up, for the administrator to see and send again. */
export const deadLetters = sqliteTable(
  'dead_letters',
  {
    id: text().primaryKey(),
    kind: text().$type<JobKind>().notNull(),
    rowId: text('row_id').notNull(),
    domainId: text('domain_id').notNull(),
    generation: integer().notNull(),
    publish: integer().notNull(),
    /** What the queue knows of the last try. */
    reason: text().notNull(),
    createdAt: integer('created_at').notNull(),
    retriedAt: integer('retried_at'),
  },
  (table) => [uniqueIndex('dead_letters_by_publish').on(table.kind, table.rowId, table.generation, table.publish)],
)

/** Requests that carry an `Idempotency-Key`, each with its answer once it has one. */
export const idempotencyKeys = sqliteTable(
  'idempotency_keys',
  {
    domainId: text('domain_id').notNull(),
    /** The API key's id, or who else it was: keys of two clients never meet. */
    client: text().notNull(),
    key: text().notNull(),
    /** Names the request that holds the key, so that one which lost it can neither answer nor free it. */
    holder: text().notNull(),
    leaseExpiresAt: integer('lease_expires_at').notNull(),
    /** What was sent; null until the request has been read to its end. */
    fingerprint: text(),
    /** What was accepted: the outcome of each file in its order. Null until the commit. */
    outcome: text({ mode: 'json' }).$type<unknown[]>(),
    createdAt: integer('created_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.domainId, table.client, table.key] }),
    index('idempotency_keys_by_age').on(table.createdAt),
  ],
)

/** How many files each upload token with a limit has brought. A token without a row has brought none. */
export const tokenUses = sqliteTable(
  'token_uses',
  {
    domainId: text('domain_id').notNull(),
    tokenId: text('token_id').notNull(),
    used: integer().notNull(),
    expiresAt: integer('expires_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.domainId, table.tokenId] }),
    index('token_uses_by_end').on(table.expiresAt),
    check('used_not_negative', sql`used >= 0`),
  ],
)

/** Where a sweep that is longer than one run goes on. */
export const sweepCursors = sqliteTable('sweep_cursors', {
  name: text().primaryKey(),
  cursor: text().notNull(),
})

/** Whom a domain tells what becomes of its files. */
export const webhookEndpoints = sqliteTable(
  'webhook_endpoints',
  {
    id: text().primaryKey(),
    domainId: text('domain_id').notNull(),
    url: text().notNull(),
    events: text({ mode: 'json' }).$type<WebhookEventType[]>().notNull(),
    description: text().notNull(),
    /** `whsec_…`, as it is: what signs can't be hashed. */
    secret: text().notNull(),
    /** What it was before; signs as well until then. */
    previousSecret: text('previous_secret'),
    previousSecretUntil: integer('previous_secret_until'),
    /** Only events after this one (`file_events.seq`) are its own: those since it was made, or enabled again. */
    sinceSeq: integer('since_seq').notNull(),
    /** Since when nothing but failure came of its deliveries. */
    failingSince: integer('failing_since'),
    disabledAt: integer('disabled_at'),
    disabledReason: text('disabled_reason').$type<DisabledReason>(),
    createdAt: integer('created_at').notNull(),
  },
  (table) => [index('webhook_endpoints_by_domain').on(table.domainId)],
)

/** Up to which event (`file_events.seq`) a domain's deliveries have been made. A domain that tells nobody has no row. */
export const webhookProgress = sqliteTable('webhook_progress', {
  domainId: text('domain_id').primaryKey(),
  seq: integer().notNull(),
})

/** What the callbacks of a domain's uploads are signed with. */
export const callbackSecrets = sqliteTable('callback_secrets', {
  domainId: text('domain_id').primaryKey(),
  secret: text().notNull(),
  previousSecret: text('previous_secret'),
  previousSecretUntil: integer('previous_secret_until'),
  createdAt: integer('created_at').notNull(),
})

/** One event for one endpoint, or for an upload's callback. Its row is its own outbox, as that of a file is. */
export const webhookDeliveries = sqliteTable(
  'webhook_deliveries',
  {
    /** UUIDv7. It is the `webhook-id` of every attempt. */
    id: text().primaryKey(),
    domainId: text('domain_id').notNull(),
    /** Null for a callback, whose address is its own. */
    endpointId: text('endpoint_id'),
    callbackUrl: text('callback_url'),
    eventType: text('event_type').notNull(),
    /** The file that the event is about, with the event's number and place; null where it is about none. */
    fileId: text('file_id'),
    number: integer(),
    fileGeneration: integer('file_generation'),
    seq: integer().notNull(),
    /** What is told where it is about no file. */
    data: text({ mode: 'json' }).$type<Record<string, unknown>>(),
    occurredAt: integer('occurred_at').notNull(),
    status: text().$type<DeliveryStatus>().notNull(),
    /** Starts with 1; each time that somebody asks for it to be sent again is another one. */
    round: integer().notNull(),
    /** Of this round. */
    attempts: integer().notNull(),
    publishCount: integer('publish_count').notNull(),
    nextPublishAt: integer('next_publish_at'),
    nextAttemptAt: integer('next_attempt_at'),
    leaseExpiresAt: integer('lease_expires_at'),
    postponedAt: integer('postponed_at'),
    /** What came of the last attempt that ended. */
    lastAttemptAt: integer('last_attempt_at'),
    responseStatus: integer('response_status'),
    responseBody: text('response_body'),
    error: text(),
    durationMs: integer('duration_ms'),
    createdAt: integer('created_at').notNull(),
    finishedAt: integer('finished_at'),
  },
  (table) => [
    index('webhook_deliveries_by_domain').on(table.domainId, table.id),
    index('webhook_deliveries_by_endpoint').on(table.endpointId, table.id),
    uniqueIndex('webhook_deliveries_by_file').on(table.fileId, table.number, table.endpointId),
    uniqueIndex('webhook_deliveries_callback').on(table.fileId, table.number).where(sql`callback_url IS NOT NULL`),
    index('webhook_deliveries_to_publish').on(table.nextPublishAt).where(sql`next_publish_at IS NOT NULL`),
    index('webhook_deliveries_running')
      .on(table.domainId, table.leaseExpiresAt)
      .where(sql`lease_expires_at IS NOT NULL`),
    index('webhook_deliveries_postponed').on(table.domainId, table.postponedAt).where(sql`postponed_at IS NOT NULL`),
    index('webhook_deliveries_finished').on(table.domainId, table.finishedAt).where(sql`finished_at IS NOT NULL`),
  ],
)
