import { sql } from 'drizzle-orm'
import { index, integer, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import type { DeliveryStatus, DisabledReason, WebhookEventType } from '../../core/webhook.ts'

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
