import { sql } from 'drizzle-orm'
import type { UploadedFile } from '../../core/uploaded-file.ts'
import { uploadedFiles } from '../schema.ts'

/** The job that a row asks for. */
export const jobColumns = {
  kind: sql<'process'>`'process'`.as('kind'),
  id: uploadedFiles.id,
  domainId: uploadedFiles.domainId,
  generation: uploadedFiles.generation,
  publish: uploadedFiles.publishCount,
  bytes: uploadedFiles.size,
}

/** Whether a file is in the middle of its processing while nobody works on it. */
export const isPaused = sql`(status = 'processing' AND lease_expires_at IS NULL)`

/** Whether nothing happens to a file until a job comes for it. */
export const awaitsJob = sql`(status = 'pending' OR ${isPaused})`

/** What a reader of a file gets to see of its row. */
export const fileColumns = {
  id: uploadedFiles.id,
  domainId: uploadedFiles.domainId,
  objectKey: uploadedFiles.objectKey,
  filename: uploadedFiles.filename,
  declaredType: uploadedFiles.declaredType,
  type: uploadedFiles.type,
  charset: uploadedFiles.charset,
  size: uploadedFiles.size,
  sha256: uploadedFiles.sha256,
  status: uploadedFiles.status,
  generation: uploadedFiles.generation,
  attempts: uploadedFiles.attempts,
  leaseNumber: uploadedFiles.leaseNumber,
  failureCode: uploadedFiles.failureCode,
  failureDetail: uploadedFiles.failureDetail,
  metadata: uploadedFiles.metadata,
  protocol: uploadedFiles.protocol,
  callbackUrl: uploadedFiles.callbackUrl,
  traceparent: uploadedFiles.traceparent,
  tracestate: uploadedFiles.tracestate,
  lastEvent: uploadedFiles.lastEvent,
  createdAt: uploadedFiles.createdAt,
  updatedAt: uploadedFiles.updatedAt,
  completedAt: uploadedFiles.completedAt,
}

type FileRow = Omit<UploadedFile, 'failure' | 'trace'> & {
  failureCode: string | null
  failureDetail: string | null
  traceparent: string | null
  tracestate: string | null
}

export function toUploadedFile({ failureCode, failureDetail, traceparent, tracestate, ...row }: FileRow): UploadedFile {
  return {
    ...row,
    trace: { traceparent, tracestate },
    failure: failureCode === null ? null : { code: failureCode, detail: failureDetail ?? '' },
  }
}
