import type { Database } from '../../db/database.ts'
import type { ObjectStorage } from '../../storage/object-storage.ts'
import type { EndSessionParts } from '../end-session.ts'
import type { TellParts } from '../webhooks/tell-webhooks.ts'

/** What the chores of the reconciler work with: one database with its bucket, and the queue. */
export interface ChoreParts extends TellParts, EndSessionParts {
  /** The database that holds all domains' names. */
  control: Database
  storage: ObjectStorage
  /** For how long a deleted domain can be taken back. */
  domainGraceMs: number
  /** 0 … 1, for spreading retries. */
  random(): number
  /** Seconds from each failed attempt of a delivery to the next. */
  retrySchedule: readonly number[]
}

export interface ChoreOptions {
  /** Look, and change nothing. */
  dryRun: boolean
  /** Remove what looks orphaned even where it is suspiciously much: an operator has looked at it. */
  acceptOrphans: boolean
}

/** How many rows of each kind one sweep takes on; the next one, a minute later, goes on from there. */
export const rowsPerSweep = 200

/**
 * One kind of thing that a crash, a lost message or time leaves to be done. It can be cut off at any line and done
 * twice, and returns how many things it has done, or would have.
 */
export type Chore = (parts: ChoreParts, options: ChoreOptions) => Promise<number>

/** Does it to each row; one that fails is logged and does not keep the others from their turn. */
export async function forEachRow<Row extends { id: string }>(
  { log }: Pick<ChoreParts, 'log'>,
  rows: readonly Row[],
  act: (row: Row) => Promise<unknown>,
): Promise<void> {
  for (const row of rows) {
    try {
      await act(row)
    } catch (error) {
      log('error', 'row-failed', { uploadId: row.id, error })
    }
  }
}
