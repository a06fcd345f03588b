import { firstKeyAt, isOwnKey, orphanAgeMs } from '../../core/object-key.ts'
import { readCursor, writeCursor } from '../../db/sweep-cursors.ts'
import { findKnownKeys } from '../../db/uploaded-files/removal.ts'
import { type Chore, rowsPerSweep } from './chore.ts'

const cursorName = 'orphans'

/** So much of a page, and at least this many, is no leftover any more: something is wrong with the rows. */
const suspiciousShare = 0.05
const suspiciousCount = 10

/**
 * Walks the bucket with one cursor. Keys are ordered by time, so that each is looked at once, a day after it was made:
 * an object without a row is an orphan then, and is removed. If suspiciously much of a page looks orphaned, nothing of
 * it is, and the walk waits there for an operator.
 */
export const removeOrphans: Chore = async ({ db, storage, now, log }, { dryRun, acceptOrphans }) => {
  const after = await readCursor(db, cursorName)
  const tooYoung = firstKeyAt(now() - orphanAgeMs)
  const judged = (await storage.listKeys(after, rowsPerSweep)).filter((key) => key < tooYoung)
  const last = judged.at(-1)
  if (last === undefined) return 0
  const own = judged.filter(isOwnKey)
  const known = await findKnownKeys(db, own)
  const orphans = own.filter((key) => !known.has(key))
  const isSuspicious = orphans.length >= suspiciousCount && orphans.length > own.length * suspiciousShare
  if (isSuspicious && !acceptOrphans) {
    log('error', 'too-many-orphans', {
      orphans: orphans.length,
      looked: own.length,
      after,
    })
    return 0
  }
  if (dryRun) return orphans.length
  if (orphans.length > 0) {
    log('info', 'orphans-removed', { keys: orphans })
    await storage.remove(orphans)
  }
  await writeCursor(db, cursorName, last)
  return orphans.length
}
