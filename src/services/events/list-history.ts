import { readCursor, writeCursor } from '../../core/cursor.ts'
import type { FileEvent } from '../../core/file-event.ts'
import type { Database } from '../../db/database.ts'
import { findFileEvents } from '../../db/file-events.ts'
import { findUpload } from '../find-upload.ts'

export interface HistoryPage {
  events: FileEvent[]
  /** Opaque; null on the last page. */
  nextCursor: string | null
}

/**
 * One page of what has happened to a file, oldest first. Throws as `findUpload` does, and `request-invalid` for a cursor
 * that no page of this file has given out.
 */
export async function listHistory(
  db: Database,
  key: { domainId: string; id: string },
  { limit, cursor }: { limit: number; cursor?: string | undefined },
): Promise<HistoryPage> {
  const file = await findUpload(db, key)
  const afterNumber = cursor === undefined ? undefined : readCursor(cursor, numberIn(file.id))
  // One more than asked for tells whether there is a next page.
  const found = await findFileEvents(db, file, { afterNumber }, limit + 1)
  const events = found.slice(0, limit)
  const last = events.at(-1)
  return { events, nextCursor: found.length > limit && last ? writeCursor(`${last.number}/${file.id}`) : null }
}

/** A cursor is good for the file that it was given out for, and for no other. */
function numberIn(fileId: string) {
  return (place: string): number | undefined => {
    const [number, givenOutFor] = place.split('/')
    return number && /^\d{1,9}$/.test(number) && givenOutFor === fileId ? Number(number) : undefined
  }
}
