import { type SQL, sql } from 'drizzle-orm'
import type { Job } from '../../core/job.ts'
import { nextPublish } from '../publishes.ts'
import { webhookDeliveries } from '../schema.ts'

/** A delivery as its row says. Times are milliseconds since 1970. */
export type Delivery = typeof webhookDeliveries.$inferSelect

/** The job that a delivery's row asks for. */
export const deliveryJob = {
  kind: sql<'deliver'>`'deliver'`.as('kind'),
  id: webhookDeliveries.id,
  domainId: webhookDeliveries.domainId,
  generation: webhookDeliveries.round,
  publish: webhookDeliveries.publishCount,
  bytes: sql<number>`0`.as('bytes'),
} satisfies Record<keyof Job, unknown>

/** A UUIDv7 (RFC 9562 §5.7) made by the database, for rows that one statement makes any number of. */
function newId(now: number): SQL {
  return sql`printf('%08x-%04x-7%03x-%04x-%012x', ${now} / 65536, ${now} % 65536, random() & 0xfff,
    0x8000 | (random() & 0x3fff), random() & 0xffffffffffff)`
}

/** What a new delivery is about, each as SQL. */
interface NewDelivery {
  domainId: SQL
  endpointId?: SQL
  callbackUrl?: SQL
  eventType: SQL
  fileId?: SQL
  number?: SQL
  fileGeneration?: SQL
  seq?: SQL
  data?: SQL
  occurredAt: SQL
}

const none = sql`NULL`

/** The columns of a new delivery in their table's order, for an INSERT … SELECT: it waits, and its first publish is noted. */
export function newDelivery(delivery: NewDelivery, now: number): SQL {
  const { domainId, endpointId, callbackUrl, eventType, fileId, number, fileGeneration, seq, data, occurredAt } =
    delivery
  return sql`${newId(now)}, ${domainId}, ${endpointId ?? none}, ${callbackUrl ?? none}, ${eventType}, ${fileId ?? none},
    ${number ?? none}, ${fileGeneration ?? none}, ${seq ?? sql`0`}, ${data ?? none}, ${occurredAt}, 'waiting', 1, 0, 1,
    ${nextPublish(now)}, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, ${now}, NULL`
}
