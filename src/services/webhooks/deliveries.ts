import { Refusal } from '../../core/errors.ts'
import { testEventType } from '../../core/webhook.ts'
import type { Database } from '../../db/database.ts'
import {
  type DeliveryFilter,
  findDelivery,
  insertDelivery,
  jobOf,
  listDeliveries as listRows,
  startRound,
} from '../../db/webhooks/deliveries.ts'
import type { Delivery } from '../../db/webhooks/delivery-rows.ts'
import { publishJobs } from '../publish-jobs.ts'
import { findEndpoint } from './endpoints.ts'
import type { TellParts } from './tell-webhooks.ts'

type SendParts = Pick<TellParts, 'db' | 'queue' | 'now' | 'log'>

/** One page of a domain's deliveries, newest first. */
export async function listDeliveries(
  db: Database,
  domainId: string,
  filter: Omit<DeliveryFilter, 'olderThanId'>,
  { limit, cursor }: { limit: number; cursor?: string | undefined },
): Promise<{ deliveries: Delivery[]; nextCursor: string | null }> {
  const found = await listRows(db, domainId, { ...filter, olderThanId: cursor }, limit + 1)
  const deliveries = found.slice(0, limit)
  return { deliveries, nextCursor: found.length > limit ? (deliveries.at(-1)?.id ?? null) : null }
}

/**
 * Sends a delivery again, under its own id and from the beginning of the schedule. Throws `delivery-not-found`, and
 * `webhook-disabled` where its endpoint takes nothing.
 */
export async function redeliver(parts: SendParts, domainId: string, id: string): Promise<Delivery> {
  const started = await startRound(parts.db, domainId, id, parts.now())
  if (!started) {
    if (await findDelivery(parts.db, domainId, id)) throw endpointDisabled()
    throw new Refusal('delivery-not-found', 'This domain has no delivery with this id.')
  }
  await publishJobs(parts, [jobOf(started)])
  return started
}

/** Sends an endpoint a test, whatever it has asked for. Throws `webhook-not-found` and `webhook-disabled`. */
export async function sendTest(parts: SendParts, domainId: string, endpointId: string): Promise<Delivery> {
  const { db, now } = parts
  const endpoint = await findEndpoint(db, domainId, endpointId)
  const delivery = await insertDelivery(db, endpoint, testEventType, { endpointId }, now())
  if (!delivery) throw endpointDisabled()
  await publishJobs(parts, [jobOf(delivery)])
  return delivery
}

function endpointDisabled(): Refusal {
  return new Refusal('webhook-disabled', 'The endpoint is disabled or deleted. Enable it first.')
}
