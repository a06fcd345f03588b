import { readCursor, writeCursor } from '../core/cursor.ts'
import type { UploadedFile } from '../core/uploaded-file.ts'
import type { Database } from '../db/database.ts'
import { type FileFilter, listFiles } from '../db/uploaded-files/reads.ts'

export interface Page {
  uploads: UploadedFile[]
  /** Opaque; null on the last page. */
  nextCursor: string | null
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** One page of a domain's files, newest first. Throws `request-invalid` for a cursor that no page has given out. */
export async function listUploads(
  db: Database,
  domainId: string,
  filter: Omit<FileFilter, 'olderThanId'>,
  { limit, cursor }: { limit: number; cursor?: string | undefined },
): Promise<Page> {
  // One more than asked for tells whether there is a next page.
  const files = await listFiles(
    db,
    domainId,
    {
      ...filter,
      olderThanId: cursor === undefined ? undefined : readCursor(cursor, placeIn(domainId)),
    },
    limit + 1,
  )
  const uploads = files.slice(0, limit)
  const last = uploads.at(-1)
  return {
    uploads,
    nextCursor: files.length > limit && last ? writeCursor(`${last.id}/${domainId}`) : null,
  }
}

/** A cursor is good in the domain that gave it out, and in no other. */
function placeIn(domainId: string) {
  return (place: string): string | undefined => {
    const [id, givenOutBy] = place.split('/')
    return id && uuid.test(id) && givenOutBy === domainId ? id : undefined
  }
}
