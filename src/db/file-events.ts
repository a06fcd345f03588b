import { type Placeholder, type SQL, sql } from 'drizzle-orm'
import type { Database } from './database.ts'
import { fileEvents, uploadedFiles } from './schema.ts'

/**
 * The statement that follows every change of a file's row, in the same batch: it writes the event that the row names as
 * its latest (`last_event`), unless that one is there already. So a guarded update that did not happen leaves no event,
 * one that did leaves exactly one, and the numbers have no gaps.
 */
export function recordLatestEvent(db: Database, fileId: string | Placeholder) {
  return recordLatestEventsOf(db, sql`${uploadedFiles.id} = ${fileId}`)
}

/** The same for several files, whose ids come as a JSON array. */
export function recordLatestEvents(db: Database, fileIds: string | Placeholder) {
  return recordLatestEventsOf(db, sql`${uploadedFiles.id} IN (SELECT value FROM json_each(${fileIds}))`)
}

function recordLatestEventsOf(db: Database, these: SQL) {
  const file = uploadedFiles
  return db.insert(fileEvents).select(
    sql`SELECT NULL, ${file.id}, ${file.domainId}, ${file.lastEvent}, ${file.status}, ${file.generation},
          ${file.failureCode}, ${file.failureDetail}, ${file.updatedAt}
        FROM ${file}
        WHERE ${these} AND NOT EXISTS (
          SELECT 1 FROM ${fileEvents} WHERE ${fileEvents.fileId} = ${file.id} AND ${fileEvents.number} = ${file.lastEvent})
        ORDER BY ${file.id}`,
  )
}
