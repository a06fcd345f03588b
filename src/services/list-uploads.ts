import { Refusal } from '../core/errors.ts'
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
      olderThanId: cursor === undefined ? undefined : decode(cursor, domainId),
    },
    limit + 1,
  )
  const uploads = files.slice(0, limit)
  const last = uploads.at(-1)
  return {
    uploads,
    nextCursor: files.length > limit && last ? encode(last.id, domainId) : null,
  }
}

function encode(id: string, domainId: string): string {
  return btoa(`${id}/${domainId}`).replaceAll('=', '')
}

/** A cursor is good in the domain that gave it out, and in no other. */
function decode(cursor: string, domainId: string): string {
  try {
    const [id, givenOutBy] = atob(cursor).split('/')
    if (id && uuid.test(id) && givenOutBy === domainId) return id
  } catch {
    // What is no base64 is no cursor either.
  }
  throw new Refusal('request-invalid', 'This cursor was not given out here. Start again without one.')
}
