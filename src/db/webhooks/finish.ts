import { and, eq, exists, type SQL, sql } from 'drizzle-orm'
import type { Job } from '../../core/job.ts'
import { type DeliveryStatus, type DisabledReason, failingDays } from '../../core/webhook.ts'
import type { Database } from '../database.ts'
import { webhookDeliveries, webhookEndpoints } from '../schema.ts'
import { type Delivery, deliveryJob, newDelivery } from './delivery-rows.ts'
import { isSendable, takeNextInTurn, takePostponedDelivery } from './lease.ts'

/** What came of one attempt. */
export interface AttemptResult {
  at: number
  /** Null where there was no answer; then `error` says why. */
  responseStatus: number | null
  responseBody: string | null
  error: string | null
  durationMs: number
}

/** What follows from it: the end of the delivery, or another attempt at this time. */
export type AttemptEnd =
  | { status: Exclude<DeliveryStatus, 'waiting' | 'cancelled'> }
  | { retryAt: number; publishAgainAt: number }

/** What an ended attempt leaves to be done. */
export interface Settled {
  /** The job of the next attempt; undefined when there is none, or the lease was lost meanwhile. */
  retry: Job | undefined
  /** Jobs of other deliveries, whose turn it is now or for which there is room. */
  others: Job[]
  /** Whether the endpoint has done nothing but fail for too long. */
  hasFailedTooLong: boolean
}

/** Ends an attempt if its worker still holds the delivery, and lets the next ones have their turn, in one batch. */
export async function settleAttempt(
  db: Database,
  delivery: Delivery,
  result: AttemptResult,
  end: AttemptEnd,
): Promise<Settled> {
  const now = result.at
  const succeeded = 'status' in end && end.status === 'delivered'
  const following =
    'status' in end
      ? { status: end.status, finishedAt: now, nextAttemptAt: null, nextPublishAt: null }
      : { nextAttemptAt: end.retryAt, nextPublishAt: end.publishAgainAt, publishCount: sql`publish_count + 1` }
  const [endpoints, ended, inTurn, postponed] = await db.batch([
    // Before the delivery is let go: a worker that has lost it says nothing of the endpoint.
    db
      .update(webhookEndpoints)
      .set({ failingSince: succeeded ? null : sql`coalesce(failing_since, ${now})` })
      .where(
        and(
          sql`${webhookEndpoints.id} = ${delivery.endpointId}`,
          exists(db.select({ id: webhookDeliveries.id }).from(webhookDeliveries).where(isHeld(delivery))),
        ),
      )
      .returning({ failingSince: webhookEndpoints.failingSince }),
    db
      .update(webhookDeliveries)
      .set({
        ...following,
        leaseExpiresAt: null,
        lastAttemptAt: now,
        responseStatus: result.responseStatus,
        responseBody: result.responseBody,
        error: result.error,
        durationMs: result.durationMs,
      })
      .where(isHeld(delivery))
      .returning(deliveryJob),
    takeNextInTurn(db, delivery, now),
    takePostponedDelivery(db, delivery.domainId, now),
  ])
  const failingSince = endpoints[0]?.failingSince ?? now
  return {
    retry: 'status' in end ? undefined : ended[0],
    others: [...inTurn, ...postponed],
    hasFailedTooLong: failingSince <= now - failingDays * 24 * 3600_000,
  }
}

/**
 * Disables an endpoint, and tells the others of its domain that ask for it, in one batch. Returns the jobs for that;
 * undefined when it was disabled already.
 */
export async function disableEndpoint(
  db: Database,
  endpoint: { id: string; domainId: string; url: string },
  reason: DisabledReason,
  now: number,
): Promise<Job[] | undefined> {
  const data = JSON.stringify({ endpointId: endpoint.id, url: endpoint.url, reason })
  const columns = newDelivery(
    {
      domainId: sql`${endpoint.domainId}`,
      endpointId: sql`others.id`,
      eventType: sql`'webhook.disabled'`,
      data: sql`${data}`,
      occurredAt: sql`${now}`,
    },
    now,
  )
  const isThis = and(eq(webhookEndpoints.id, endpoint.id), sql`${webhookEndpoints.disabledAt} IS NULL`)
  const [told, disabled] = await db.batch([
    db
      .insert(webhookDeliveries)
      .select(
        sql`SELECT ${columns} FROM ${webhookEndpoints} AS others
          WHERE others.domain_id = ${endpoint.domainId} AND others.id <> ${endpoint.id} AND others.disabled_at IS NULL
            AND 'webhook.disabled' IN (SELECT value FROM json_each(others.events))
            AND EXISTS (SELECT 1 FROM ${webhookEndpoints} WHERE ${isThis})`,
      )
      .returning(deliveryJob),
    db
      .update(webhookEndpoints)
      .set({ disabledAt: now, disabledReason: reason })
      .where(isThis)
      .returning({ id: webhookEndpoints.id }),
  ])
  return disabled.length > 0 ? told : undefined
}

/** Ends deliveries that are due and that nobody takes: their endpoint is disabled or gone. Returns how many, `limit` at most. */
export async function cancelUnsendable(db: Database, now: number, limit: number): Promise<number> {
  const these = db
    .select({ id: webhookDeliveries.id })
    .from(webhookDeliveries)
    .where(and(sql`${webhookDeliveries.nextPublishAt} <= ${now}`, isWaitingFree(now), sql`NOT ${isSendable}`))
    .limit(limit)
  const cancelled = await db
    .update(webhookDeliveries)
    .set(ended('cancelled', now))
    .where(sql`${webhookDeliveries.id} IN ${these}`)
    .returning({ id: webhookDeliveries.id })
  return cancelled.length
}

/** Fails deliveries whose worker died in their last attempt. */
export async function failExhausted(db: Database, maxAttempts: number, now: number): Promise<void> {
  await db
    .update(webhookDeliveries)
    .set({ ...ended('failed', now), lastAttemptAt: now, error: 'The last attempt did not come to an end.' })
    .where(
      and(
        sql`${webhookDeliveries.nextPublishAt} <= ${now}`,
        isWaitingFree(now),
        sql`${webhookDeliveries.attempts} >= ${maxAttempts}`,
      ),
    )
}

/** Waiting, and in nobody's hands. */
function isWaitingFree(now: number): SQL {
  return sql`(${webhookDeliveries.status} = 'waiting'
    AND (${webhookDeliveries.leaseExpiresAt} IS NULL OR ${webhookDeliveries.leaseExpiresAt} <= ${now}))`
}

function ended(status: DeliveryStatus, now: number) {
  return {
    status,
    finishedAt: now,
    nextAttemptAt: null,
    nextPublishAt: null,
    leaseExpiresAt: null,
    postponedAt: null,
  }
}

function isHeld({ id, round, attempts }: Delivery): SQL | undefined {
  return and(
    eq(webhookDeliveries.id, id),
    eq(webhookDeliveries.round, round),
    eq(webhookDeliveries.attempts, attempts),
    eq(webhookDeliveries.status, 'waiting'),
  )
}
