import { and, desc, eq, lt, sql } from 'drizzle-orm'
import type { Job } from '../../core/job.ts'
import type { StepRun } from '../../core/step-run.ts'
import type { UploadedFile } from '../../core/uploaded-file.ts'
import type { DeliveryStatus } from '../../core/webhook.ts'
import type { Database } from '../database.ts'
import { firstPublish } from '../publishes.ts'
import { stepRuns, uploadedFiles, webhookDeliveries, webhookEndpoints } from '../schema.ts'
import { runColumns, runOrder } from '../step-runs.ts'
import { fileColumns, toUploadedFile } from '../uploaded-files/columns.ts'
import { type Delivery, newDelivery } from './delivery-rows.ts'
import type { Endpoint } from './endpoints.ts'
import { isSendable } from './lease.ts'

export interface DeliveryFilter {
  endpointId?: string | undefined
  fileId?: string | undefined
  status?: DeliveryStatus | undefined
  /** Only deliveries older than the one with this id: where the page before ended. */
  olderThanId?: string | undefined
}

/** A domain's deliveries, newest first, at most `limit`. */
export async function listDeliveries(
  db: Database,
  domainId: string,
  { endpointId, fileId, status, olderThanId }: DeliveryFilter,
  limit: number,
): Promise<Delivery[]> {
  const { id, endpointId: endpoint, fileId: file, status: state } = webhookDeliveries
  return db
    .select()
    .from(webhookDeliveries)
    .where(
      and(
        eq(webhookDeliveries.domainId, domainId),
        endpointId === undefined ? undefined : eq(endpoint, endpointId),
        fileId === undefined ? undefined : eq(file, fileId),
        status === undefined ? undefined : eq(state, status),
        olderThanId === undefined ? undefined : lt(id, olderThanId),
      ),
    )
    .orderBy(desc(id))
    .limit(limit)
}

export async function findDelivery(db: Database, domainId: string, id: string): Promise<Delivery | undefined> {
  return db.select().from(webhookDeliveries).where(isOne(domainId, id)).get()
}

/** Has a delivery sent again, whatever came of it, as its next round. Undefined: its endpoint takes nothing. */
export async function startRound(
  db: Database,
  domainId: string,
  id: string,
  now: number,
): Promise<Delivery | undefined> {
  const [started] = await db
    .update(webhookDeliveries)
    .set({
      status: 'waiting',
      round: sql`round + 1`,
      attempts: 0,
      ...firstPublish(now),
      nextAttemptAt: null,
      leaseExpiresAt: null,
      postponedAt: null,
      finishedAt: null,
    })
    .where(and(isOne(domainId, id), isSendable))
    .returning()
  return started
}

/** Makes a delivery of no file's event, for one endpoint. Undefined: it is not there, or disabled. */
export async function insertDelivery(
  db: Database,
  { domainId, id }: Pick<Endpoint, 'domainId' | 'id'>,
  eventType: string,
  data: Record<string, unknown>,
  now: number,
): Promise<Delivery | undefined> {
  const columns = newDelivery(
    {
      domainId: sql`${webhookEndpoints.domainId}`,
      endpointId: sql`${webhookEndpoints.id}`,
      eventType: sql`${eventType}`,
      data: sql`${JSON.stringify(data)}`,
      occurredAt: sql`${now}`,
    },
    now,
  )
  const [inserted] = await db
    .insert(webhookDeliveries)
    .select(
      sql`SELECT ${columns} FROM ${webhookEndpoints}
        WHERE ${webhookEndpoints.domainId} = ${domainId} AND ${webhookEndpoints.id} = ${id}
          AND ${webhookEndpoints.disabledAt} IS NULL`,
    )
    .returning()
  return inserted
}

/** The job that a delivery waits for. */
export function jobOf({ id, domainId, round, publishCount }: Delivery): Job {
  return { kind: 'deliver', id, domainId, generation: round, publish: publishCount, bytes: 0 }
}

/** What a delivery is sent with: its endpoint, and the file as it is now with what its steps have found. */
export interface DeliveryContext {
  /** Undefined for a callback, or when it is gone. */
  endpoint: Endpoint | undefined
  /** Undefined where the event is about none, or its history is forgotten. */
  file: UploadedFile | undefined
  runs: StepRun[]
}

export async function findContext(db: Database, { endpointId, fileId }: Delivery): Promise<DeliveryContext> {
  const [endpoints, files, runs] = await db.batch([
    db.select().from(webhookEndpoints).where(sql`${webhookEndpoints.id} = ${endpointId}`),
    db.select(fileColumns).from(uploadedFiles).where(sql`${uploadedFiles.id} = ${fileId}`),
    db
      .select(runColumns)
      .from(stepRuns)
      .where(
        sql`${stepRuns.fileId} = ${fileId}
          AND ${stepRuns.generation} = (SELECT generation FROM ${uploadedFiles} WHERE id = ${fileId})`,
      )
      .orderBy(...runOrder),
  ])
  return { endpoint: endpoints[0], file: files[0] && toUploadedFile(files[0]), runs }
}

function isOne(domainId: string, id: string) {
  return and(eq(webhookDeliveries.domainId, domainId), eq(webhookDeliveries.id, id))
}
