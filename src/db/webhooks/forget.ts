import { sql } from 'drizzle-orm'
import type { Database } from '../database.ts'
import { domainPolicies, webhookDeliveries, webhookProgress } from '../schema.ts'

/**
 * Forgets deliveries that ended longer ago than their domain keeps its history, at most `limit`. SQLite takes cross joins
 * in the order written: one look at the index for each domain that tells anybody, and none at what is younger.
 */
export async function forgetFinishedDeliveries(db: Database, now: number, limit: number): Promise<void> {
  const old = sql`SELECT ${webhookDeliveries.id} FROM ${webhookProgress}
    CROSS JOIN ${domainPolicies} ON ${domainPolicies.domainId} = ${webhookProgress.domainId}
    CROSS JOIN ${webhookDeliveries} ON ${webhookDeliveries.domainId} = ${webhookProgress.domainId}
      AND ${webhookDeliveries.finishedAt} <=
        ${now} - coalesce(json_extract(${domainPolicies.policy}, '$.historyDays'), 30) * 86400000
    LIMIT ${limit}`
  await db.delete(webhookDeliveries).where(sql`${webhookDeliveries.id} IN (${old})`)
}
