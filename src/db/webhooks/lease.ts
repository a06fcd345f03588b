import { and, asc, eq, isNotNull, lt, type SQL, sql } from 'drizzle-orm'
import type { Job } from '../../core/job.ts'
import type { Database } from '../database.ts'
import { published } from '../publishes.ts'
import { webhookDeliveries, webhookEndpoints } from '../schema.ts'
import { type Delivery, deliveryJob } from './delivery-rows.ts'

/** When a delivery may be sent. */
export interface DeliveryTerms {
  now: number
  leaseMs: number
  /** An attempt after this one would be one too many. */
  maxAttempts: number
  /** The most deliveries of the domain that may be on their way at once; null when the queue sees to that. */
  maxRunning: number | null
}

type DeliveryPass = Pick<Job, 'id' | 'domainId' | 'generation'>

/**
 * Takes the lease on a delivery whose turn it is. A worker that dies needs nobody to find out: the delivery is due to be
 * published again when its lease ends. Undefined: there is nothing to send for this job, or not yet.
 */
export async function leaseDelivery(
  db: Database,
  job: DeliveryPass,
  { now, leaseMs, maxAttempts, maxRunning }: DeliveryTerms,
): Promise<Delivery | undefined> {
  const [leased] = await db
    .update(webhookDeliveries)
    .set({
      attempts: sql`attempts + 1`,
      leaseExpiresAt: now + leaseMs,
      nextPublishAt: now + leaseMs,
      nextAttemptAt: null,
      postponedAt: null,
    })
    .where(
      and(
        isReady(job, now),
        lt(webhookDeliveries.attempts, maxAttempts),
        maxRunning === null ? undefined : sql`${runningDeliveries(job.domainId, now)} < ${maxRunning}`,
      ),
    )
    .returning()
  return leased
}

/** Puts off a delivery whose domain has no room, as `postponeFile` does a file. False: it was something else. */
export async function postponeDelivery(
  db: Database,
  job: DeliveryPass,
  { now, maxRunning }: DeliveryTerms & { maxRunning: number },
  publishAt: number,
): Promise<boolean> {
  const postponed = await db
    .update(webhookDeliveries)
    .set({ postponedAt: now, nextPublishAt: publishAt })
    .where(and(isReady(job, now), sql`${runningDeliveries(job.domainId, now)} >= ${maxRunning}`))
    .returning({ id: webhookDeliveries.id })
  return postponed.length > 0
}

/** The delivery of a domain that has been put off for the longest, taken to be published now that there is room. */
export function takePostponedDelivery(db: Database, domainId: string, now: number) {
  const longest = db
    .select({ id: webhookDeliveries.id })
    .from(webhookDeliveries)
    .where(and(eq(webhookDeliveries.domainId, domainId), isNotNull(webhookDeliveries.postponedAt)))
    .orderBy(asc(webhookDeliveries.postponedAt))
    .limit(1)
  return db
    .update(webhookDeliveries)
    .set({ postponedAt: null, ...published(now) })
    .where(and(sql`${webhookDeliveries.id} IN ${longest}`, eq(webhookDeliveries.status, 'waiting')))
    .returning(deliveryJob)
}

/** The next event of the same file for the same endpoint that has not been tried yet, taken to be published. */
export function takeNextInTurn(db: Database, { endpointId, fileId, seq }: Delivery, now: number) {
  const next = sql`(SELECT following.id FROM ${webhookDeliveries} AS following
    WHERE following.file_id = ${fileId} AND following.endpoint_id = ${endpointId} AND following.seq > ${seq}
      AND following.status = 'waiting' AND following.last_attempt_at IS NULL
    ORDER BY following.seq LIMIT 1)`
  return db
    .update(webhookDeliveries)
    .set(published(now))
    .where(sql`${webhookDeliveries.id} = ${next}`)
    .returning(deliveryJob)
}

/** Whether a delivery waits in this pass, is due, has an endpoint that takes it, and nothing before it untried. */
function isReady(job: DeliveryPass, now: number): SQL | undefined {
  return and(
    eq(webhookDeliveries.domainId, job.domainId),
    eq(webhookDeliveries.id, job.id),
    eq(webhookDeliveries.round, job.generation),
    eq(webhookDeliveries.status, 'waiting'),
    sql`(next_attempt_at IS NULL OR next_attempt_at <= ${now})`,
    sql`(lease_expires_at IS NULL OR lease_expires_at <= ${now})`,
    isSendable,
    sql`NOT EXISTS (SELECT 1 FROM ${webhookDeliveries} AS earlier
      WHERE earlier.file_id = ${webhookDeliveries.fileId} AND earlier.endpoint_id = ${webhookDeliveries.endpointId}
        AND earlier.seq < ${webhookDeliveries.seq} AND earlier.status = 'waiting' AND earlier.last_attempt_at IS NULL)`,
  )
}

/** A callback goes to its own address; anything else needs an endpoint that is there and enabled. */
export const isSendable = sql`(${webhookDeliveries.endpointId} IS NULL OR EXISTS (SELECT 1 FROM ${webhookEndpoints}
  WHERE ${webhookEndpoints.id} = ${webhookDeliveries.endpointId} AND ${webhookEndpoints.disabledAt} IS NULL))`

function runningDeliveries(domainId: string, now: number): SQL {
  return sql`(SELECT count(*) FROM ${webhookDeliveries} AS running
    WHERE running.domain_id = ${domainId} AND running.lease_expires_at > ${now})`
}
