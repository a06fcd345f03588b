import { and, eq, gt, type SQL, sql } from 'drizzle-orm'
import type { Job } from '../../core/job.ts'
import type { Database } from '../database.ts'
import { fileEvents, uploadedFiles, webhookDeliveries, webhookEndpoints, webhookProgress } from '../schema.ts'
import { deliveryJob, newDelivery } from './delivery-rows.ts'

/** Events that one batch makes deliveries of: with the most endpoints that a domain may have, 2,000 rows. */
const eventsAtOnce = 100

/** What one batch has done: the jobs of deliveries whose turn it is, and whether there are events left. */
export interface FanOut {
  /** Whether the domain tells anybody at all. */
  isWanted: boolean
  jobs: Job[]
  hasMore: boolean
}

/**
 * Makes the deliveries of the next events of a domain, and moves its place behind them, in one batch: however many do it
 * at once, each event is told once. Events are read in the order of their commits, which is that of `seq`: D1 has one
 * writer.
 */
export async function fanOutEvents(db: Database, domainId: string, now: number): Promise<FanOut> {
  const [toEndpoints, toCallbacks, moved, left] = await db.batch([
    insertForEndpoints(db, domainId, now),
    insertForCallbacks(db, domainId, now),
    db
      .update(webhookProgress)
      .set({ seq: sql`coalesce(${lastOfNext(domainId)}, seq)` })
      .where(eq(webhookProgress.domainId, domainId))
      .returning({ seq: webhookProgress.seq }),
    db
      .select({ seq: fileEvents.seq })
      .from(webhookProgress)
      .innerJoin(
        fileEvents,
        and(eq(fileEvents.domainId, webhookProgress.domainId), gt(fileEvents.seq, webhookProgress.seq)),
      )
      .where(eq(webhookProgress.domainId, domainId))
      .limit(1),
  ])
  return {
    isWanted: moved.length > 0,
    jobs: [...firstOfEachFile(toEndpoints), ...toCallbacks.map(toJob)],
    hasMore: left.length > 0,
  }
}

/** Domains with events that no deliveries have been made of yet. */
export async function findLaggingDomains(db: Database, limit: number): Promise<string[]> {
  const rows = await db
    .select({ domainId: webhookProgress.domainId })
    .from(webhookProgress)
    .where(
      sql`EXISTS (SELECT 1 FROM ${fileEvents} WHERE ${fileEvents.domainId} = ${webhookProgress.domainId}
        AND ${fileEvents.seq} > ${webhookProgress.seq})`,
    )
    .limit(limit)
  return rows.map((row) => row.domainId)
}

const returned = {
  ...deliveryJob,
  endpointId: webhookDeliveries.endpointId,
  fileId: webhookDeliveries.fileId,
  seq: webhookDeliveries.seq,
}
type Returned = Job & Pick<typeof webhookDeliveries.$inferSelect, 'endpointId' | 'fileId' | 'seq'>

function insertForEndpoints(db: Database, domainId: string, now: number) {
  const type = sql`'upload.' || ${fileEvents.kind}`
  const columns = newDelivery({ ...ofEvent(type), endpointId: sql`${webhookEndpoints.id}` }, now)
  return db
    .insert(webhookDeliveries)
    .select(
      sql`SELECT ${columns} FROM ${fileEvents}
        JOIN ${webhookEndpoints} ON ${webhookEndpoints.domainId} = ${fileEvents.domainId}
        WHERE ${isNext(domainId)} AND ${webhookEndpoints.disabledAt} IS NULL
          AND ${fileEvents.seq} > ${webhookEndpoints.sinceSeq}
          AND ${type} IN (SELECT value FROM json_each(${webhookEndpoints.events}))
          AND ${wasAccepted}
        ORDER BY ${fileEvents.seq}`,
    )
    .onConflictDoNothing()
    .returning(returned)
}

function insertForCallbacks(db: Database, domainId: string, now: number) {
  const type = sql`'upload.' || ${fileEvents.kind}`
  const columns = newDelivery({ ...ofEvent(type), callbackUrl: sql`${uploadedFiles.callbackUrl}` }, now)
  return db
    .insert(webhookDeliveries)
    .select(
      sql`SELECT ${columns} FROM ${fileEvents} JOIN ${uploadedFiles} ON ${uploadedFiles.id} = ${fileEvents.fileId}
        WHERE ${isNext(domainId)} AND ${uploadedFiles.callbackUrl} IS NOT NULL
          AND ${fileEvents.kind} IN ('complete', 'failed', 'quarantined')`,
    )
    .onConflictDoNothing()
    .returning(returned)
}

function ofEvent(eventType: SQL) {
  return {
    domainId: sql`${fileEvents.domainId}`,
    eventType,
    fileId: sql`${fileEvents.fileId}`,
    number: sql`${fileEvents.number}`,
    fileGeneration: sql`${fileEvents.generation}`,
    seq: sql`${fileEvents.seq}`,
    occurredAt: sql`${fileEvents.createdAt}`,
  }
}

/** Of an upload that was never accepted nobody has been told, so nobody is told that it was deleted. */
const wasAccepted = sql`(${fileEvents.kind} <> 'deleted' OR EXISTS (SELECT 1 FROM ${fileEvents} AS accepted
  WHERE accepted.file_id = ${fileEvents.fileId} AND accepted.kind = 'pending'))`

function place(domainId: string): SQL {
  return sql`(SELECT seq FROM ${webhookProgress} WHERE ${webhookProgress.domainId} = ${domainId})`
}

function lastOfNext(domainId: string): SQL {
  return sql`(SELECT max(next.seq) FROM (SELECT events.seq FROM ${fileEvents} AS events
    WHERE events.domain_id = ${domainId} AND events.seq > ${place(domainId)} ORDER BY events.seq LIMIT ${eventsAtOnce}) AS next)`
}

/** Whether an event is among the next that are told; none is where the domain has no place. */
function isNext(domainId: string): SQL {
  return sql`${fileEvents.domainId} = ${domainId} AND ${fileEvents.seq} > ${place(domainId)}
    AND ${fileEvents.seq} <= ${lastOfNext(domainId)}`
}

/** An event is sent when the one before it, of the same file to the same endpoint, has had its first try. */
function firstOfEachFile(rows: readonly Returned[]): Job[] {
  const first = new Map<string, Returned>()
  for (const row of rows) {
    const line = `${row.endpointId}/${row.fileId}`
    const known = first.get(line)
    if (!known || row.seq < known.seq) first.set(line, row)
  }
  return [...first.values()].map(toJob)
}

function toJob({ kind, id, domainId, generation, publish, bytes }: Job): Job {
  return { kind, id, domainId, generation, publish, bytes }
}
