import { and, asc, eq, isNull, sql } from 'drizzle-orm'
import type { WebhookEventType } from '../../core/webhook.ts'
import type { Database } from '../database.ts'
import { webhookEndpoints } from '../schema.ts'
import { newestSeq, startTelling } from './progress.ts'

/** An endpoint as its row says. Times are milliseconds since 1970. */
export type Endpoint = Omit<typeof webhookEndpoints.$inferSelect, 'sinceSeq'>

const { sinceSeq: _, ...endpointColumns } = {
  id: webhookEndpoints.id,
  domainId: webhookEndpoints.domainId,
  url: webhookEndpoints.url,
  events: webhookEndpoints.events,
  description: webhookEndpoints.description,
  secret: webhookEndpoints.secret,
  previousSecret: webhookEndpoints.previousSecret,
  previousSecretUntil: webhookEndpoints.previousSecretUntil,
  sinceSeq: webhookEndpoints.sinceSeq,
  failingSince: webhookEndpoints.failingSince,
  disabledAt: webhookEndpoints.disabledAt,
  disabledReason: webhookEndpoints.disabledReason,
  createdAt: webhookEndpoints.createdAt,
}

/** Keeps a new endpoint of a domain that has fewer than `most`. False: it has as many as it may have. */
export async function insertEndpoint(db: Database, endpoint: Endpoint, most: number): Promise<boolean> {
  const { id, domainId, url, events, description, secret, disabledAt, disabledReason, createdAt } = endpoint
  const [, inserted] = await db.batch([
    startTelling(db, domainId),
    db
      .insert(webhookEndpoints)
      .select(
        sql`SELECT ${id}, ${domainId}, ${url}, ${JSON.stringify(events)}, ${description}, ${secret}, NULL, NULL,
          ${newestSeq}, NULL, ${disabledAt}, ${disabledReason}, ${createdAt}
        WHERE (SELECT count(*) FROM ${webhookEndpoints} WHERE ${webhookEndpoints.domainId} = ${domainId}) < ${most}`,
      )
      .returning({ id: webhookEndpoints.id }),
  ])
  return inserted.length > 0
}

/** The endpoints of a domain in the order in which they were made. */
export async function listEndpoints(db: Database, domainId: string): Promise<Endpoint[]> {
  return db
    .select(endpointColumns)
    .from(webhookEndpoints)
    .where(eq(webhookEndpoints.domainId, domainId))
    .orderBy(asc(webhookEndpoints.id))
}

export async function findEndpoint(db: Database, domainId: string, id: string): Promise<Endpoint | undefined> {
  return db.select(endpointColumns).from(webhookEndpoints).where(isOne(domainId, id)).get()
}

/** What may be changed of an endpoint. What is not given stays. */
export interface EndpointChange {
  url?: string | undefined
  events?: WebhookEventType[] | undefined
  description?: string | undefined
  /** Enabled again, it gets what happens from then on. */
  enabled?: boolean | undefined
}

/** Undefined: the domain has no such endpoint. */
export async function changeEndpoint(
  db: Database,
  domainId: string,
  id: string,
  { enabled, ...change }: EndpointChange,
  now: number,
): Promise<Endpoint | undefined> {
  const turned =
    enabled === undefined
      ? {}
      : enabled
        ? {
            sinceSeq: sql`iif(disabled_at IS NULL, since_seq, ${newestSeq})`,
            failingSince: sql`iif(disabled_at IS NULL, failing_since, NULL)`,
            disabledAt: null,
            disabledReason: null,
          }
        : {
            disabledAt: sql`coalesce(disabled_at, ${now})`,
            disabledReason: sql`coalesce(disabled_reason, 'manual')`,
          }
  const [changed] = await db
    .update(webhookEndpoints)
    // Something has to be set, also where nothing changes.
    .set({ description: sql`description`, ...given(change), ...turned })
    .where(isOne(domainId, id))
    .returning(endpointColumns)
  return changed
}

/** Signs with a new secret from now on, and with the one before it as well until `previousUntil`. */
export async function rotateEndpointSecret(
  db: Database,
  domainId: string,
  id: string,
  secret: string,
  previousUntil: number,
): Promise<Endpoint | undefined> {
  const [rotated] = await db
    .update(webhookEndpoints)
    .set({ secret, previousSecret: sql`secret`, previousSecretUntil: previousUntil })
    .where(isOne(domainId, id))
    .returning(endpointColumns)
  return rotated
}

/** Returns whether the domain had it. Its deliveries go in the background. */
export async function deleteEndpoint(db: Database, domainId: string, id: string): Promise<boolean> {
  const deleted = await db.delete(webhookEndpoints).where(isOne(domainId, id)).returning({ id: webhookEndpoints.id })
  return deleted.length > 0
}

/** An endpoint that is there and not disabled. */
export function isEnabled(endpointId: unknown) {
  return and(sql`${webhookEndpoints.id} = ${endpointId}`, isNull(webhookEndpoints.disabledAt))
}

function isOne(domainId: string, id: string) {
  return and(eq(webhookEndpoints.domainId, domainId), eq(webhookEndpoints.id, id))
}

function given<Change extends object>(change: Change): Partial<Change> {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined)) as Partial<Change>
}
