import type { Transport } from './transport.ts'
import type { FileStatus, Upload } from './types.ts'

export interface ListOptions {
  status?: FileStatus | undefined
  /** A media type, or a group such as `image/*`. */
  type?: string | undefined
  createdAfter?: Date | string | undefined
  createdBefore?: Date | string | undefined
  /** How many uploads a request brings: 1 to 100, 50 unless given. */
  limit?: number | undefined
  /** `nextCursor` of a page: begins after it. */
  cursor?: string | undefined
  signal?: AbortSignal | undefined
}

export interface Page {
  uploads: Upload[]
  /** Null: there is no more. */
  nextCursor: string | null
}

export function listPage(transport: Transport, { signal, createdAfter, createdBefore, ...rest }: ListOptions) {
  const query = { ...rest, created_after: isoTime(createdAfter), created_before: isoTime(createdBefore) }
  return transport.json<Page>('GET', '/v1/uploads', { query, signal })
}

/** Each page is asked for when the one before it has been taken. */
export async function* list(transport: Transport, options: ListOptions): AsyncGenerator<Upload, void, undefined> {
  let cursor: string | null | undefined = options.cursor
  do {
    const page: Page = await listPage(transport, { ...options, cursor })
    yield* page.uploads
    cursor = page.nextCursor
  } while (cursor !== null)
}

function isoTime(time: Date | string | undefined): string | undefined {
  return time instanceof Date ? time.toISOString() : time
}
