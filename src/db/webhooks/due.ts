import { and, asc, eq, lte, sql } from 'drizzle-orm'
import { publishIntervalSeconds } from '../../core/backoff.ts'
import type { Job } from '../../core/job.ts'
import type { Database } from '../database.ts'
import { published } from '../publishes.ts'
import { webhookDeliveries } from '../schema.ts'
import { deliveryJob } from './delivery-rows.ts'

type DeliveryPass = Pick<Job, 'id' | 'domainId' | 'generation'>

/** A delivery that was published often and taken by nobody is published again after so long. */
const longestInterval = publishIntervalSeconds(7) * 1000

/**
 * Takes up to `limit` deliveries whose publish is due, noting the next one in the same statement: a minute later at
 * first, and each time by another minute more.
 */
export async function takeDueDeliveries(db: Database, now: number, limit: number): Promise<Job[]> {
  const due = db
    .select({ id: webhookDeliveries.id })
    .from(webhookDeliveries)
    .where(and(lte(webhookDeliveries.nextPublishAt, now), eq(webhookDeliveries.status, 'waiting')))
    .orderBy(asc(webhookDeliveries.nextPublishAt))
    .limit(limit)
  return db
    .update(webhookDeliveries)
    .set({
      postponedAt: null,
      publishCount: sql`publish_count + 1`,
      nextPublishAt: sql`${now} + min(publish_count * ${publishIntervalSeconds(1) * 1000}, ${longestInterval})`,
    })
    .where(sql`${webhookDeliveries.id} IN ${due}`)
    .returning(deliveryJob)
}

/** How many deliveries are due to be published. */
export async function countDueDeliveries(db: Database, now: number): Promise<number> {
  return db.$count(
    webhookDeliveries,
    and(lte(webhookDeliveries.nextPublishAt, now), eq(webhookDeliveries.status, 'waiting')),
  )
}

/** Makes a delivery's job due now, if it waits in this pass and nobody is sending it. */
export async function makeDeliveryDue(db: Database, job: DeliveryPass, now: number): Promise<void> {
  await db.update(webhookDeliveries).set({ nextPublishAt: now }).where(isWaiting(job, now))
}

/** Takes one delivery's next publish before it is due. Undefined: it waits for none. */
export async function takeDelivery(db: Database, job: DeliveryPass, now: number): Promise<Job | undefined> {
  const [taken] = await db
    .update(webhookDeliveries)
    .set({ postponedAt: null, ...published(now) })
    .where(isWaiting(job, now))
    .returning(deliveryJob)
  return taken
}

function isWaiting({ id, domainId, generation }: DeliveryPass, now: number) {
  return and(
    eq(webhookDeliveries.domainId, domainId),
    eq(webhookDeliveries.id, id),
    eq(webhookDeliveries.round, generation),
    eq(webhookDeliveries.status, 'waiting'),
    sql`(${webhookDeliveries.leaseExpiresAt} IS NULL OR ${webhookDeliveries.leaseExpiresAt} <= ${now})`,
  )
}
