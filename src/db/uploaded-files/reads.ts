import { and, desc, eq, gte, lt, lte, ne, type SQL } from 'drizzle-orm'
import type { FileStatus } from '../../core/status.ts'
import type { UploadedFile } from '../../core/uploaded-file.ts'
import type { Database } from '../database.ts'
import { uploadedFiles } from '../schema.ts'
import { fileColumns, toUploadedFile } from './columns.ts'

/** The file of this domain with this id, deleted ones included. A partial upload is no file. */
export async function findFile(db: Database, domainId: string, id: string): Promise<UploadedFile | undefined> {
  const row = await db
    .select(fileColumns)
    .from(uploadedFiles)
    .where(and(eq(uploadedFiles.domainId, domainId), eq(uploadedFiles.id, id), eq(uploadedFiles.isPartial, false)))
    .get()
  return row && toUploadedFile(row)
}

export interface FileFilter {
  status?: FileStatus | undefined
  /** A media type, or a group of them such as `image/*`. */
  type?: string | undefined
  /** Milliseconds since 1970, both inclusive. */
  createdAfter?: number | undefined
  createdBefore?: number | undefined
  /** Only files older than the one with this id: where the page before ended. */
  olderThanId?: string | undefined
}

/** A domain's files, newest first, at most `limit`; deleted ones only when asked for by status. */
export async function listFiles(
  db: Database,
  domainId: string,
  filter: FileFilter,
  limit: number,
): Promise<UploadedFile[]> {
  const conditions: (SQL | undefined)[] = [
    eq(uploadedFiles.domainId, domainId),
    eq(uploadedFiles.isPartial, false),
    filter.status ? eq(uploadedFiles.status, filter.status) : ne(uploadedFiles.status, 'deleted'),
    filter.type === undefined ? undefined : ofType(filter.type.toLowerCase()),
    filter.createdAfter === undefined ? undefined : gte(uploadedFiles.createdAt, filter.createdAfter),
    filter.createdBefore === undefined ? undefined : lte(uploadedFiles.createdAt, filter.createdBefore),
    filter.olderThanId ? lt(uploadedFiles.id, filter.olderThanId) : undefined,
  ]
  const rows = await db
    .select(fileColumns)
    .from(uploadedFiles)
    .where(and(...conditions))
    .orderBy(desc(uploadedFiles.id))
    .limit(limit)
  return rows.map(toUploadedFile)
}

/** `image/*` as a range: D1 takes no LIKE pattern of more than 50 bytes, and would read `%` in a client's text as its own. */
function ofType(type: string): SQL | undefined {
  if (!type.endsWith('/*')) return eq(uploadedFiles.type, type)
  const group = type.slice(0, -2)
  return and(gte(uploadedFiles.type, `${group}/`), lt(uploadedFiles.type, `${group}0`))
}
