import { findPurgeableDomains, startPurge } from '../../db/account-changes.ts'
import { deleteAccount } from '../../db/domain-accounts.ts'
import { deleteDomainNames } from '../../db/domains.ts'
import { findRemainingFiles, findTombstones, forgetBelongings, hasFiles } from '../../db/purge.ts'
import { deleteFile } from '../../db/uploaded-files/delete.ts'
import { forgetFiles } from '../../db/uploaded-files/removal.ts'
import { endSession } from '../end-session.ts'
import { removeObject } from '../remove-object.ts'
import { type Chore, type ChoreParts, forEachRow, rowsPerSweep } from './chore.ts'

/** How many domains one sweep takes on; its rows are shared out among them, so that a large one keeps nobody waiting. */
const domainsPerSweep = 50

/**
 * Removes the domains whose grace time is over: their files first, and when R2 has nothing left of them, everything else,
 * the account last. So whatever fails, the account still says that there is something to do.
 */
export const purgeDeletedDomains: Chore = async (parts, { dryRun }) => {
  const deletedUntil = parts.now() - parts.domainGraceMs
  const domainIds = await findPurgeableDomains(parts.db, deletedUntil, domainsPerSweep)
  if (dryRun) return domainIds.length
  let advanced = 0
  for (const domainId of domainIds) {
    const mostRows = Math.floor(rowsPerSweep / domainIds.length)
    try {
      if (!(await startPurge(parts.db, domainId, deletedUntil, parts.now()))) continue
      if (await purge(parts, domainId, mostRows)) advanced++
    } catch (error) {
      parts.log('error', 'purge-failed', { domainId, error })
    }
  }
  return advanced
}

/** Takes a domain one page further. Returns whether there was anything to do: objects may have to be waited for. */
async function purge(parts: ChoreParts, domainId: string, mostRows: number): Promise<boolean> {
  const { db, control, log } = parts
  const files = await findRemainingFiles(db, domainId, mostRows)
  await forEachRow(parts, files, async (file) => {
    const deleted = await deleteFile(db, file, parts.now())
    if (!deleted) return
    await endSession(parts, deleted)
    await removeObject(parts, deleted)
  })
  if (files.length > 0) return true
  const tombstones = await findTombstones(db, domainId, mostRows)
  if (tombstones.length > 0) await forgetFiles(db, tombstones)
  if (await hasFiles(db, domainId)) return tombstones.length > 0
  await forgetBelongings(db, domainId)
  // Its names are free from here on; whoever takes them next gets an id of his own.
  await deleteDomainNames(control, domainId)
  await deleteAccount(db, domainId)
  log('info', 'domain-purged', { domainId })
  return true
}
