import type { Chore, ChoreOptions, ChoreParts } from './chore.ts'
import { discardAbandonedClaims } from './discard-abandoned-claims.ts'
import { enforceRetention } from './enforce-retention.ts'
import { forgetHistory } from './forget-history.ts'
import { freeDeadLeases } from './free-dead-leases.ts'
import { publishDueDeliveries } from './publish-due-deliveries.ts'
import { publishDueJobs } from './publish-due-jobs.ts'
import { purgeDeletedDomains } from './purge-deleted-domains.ts'
import { removeDeletedObjects } from './remove-deleted-objects.ts'
import { removeOrphans } from './remove-orphans.ts'
import { tellLaggingDomains } from './tell-lagging-domains.ts'

/** In this order: what somebody waits for comes first. */
const chores = {
  freedLeases: freeDeadLeases,
  published: publishDueJobs,
  discardedClaims: discardAbandonedClaims,
  expired: enforceRetention,
  removedObjects: removeDeletedObjects,
  removedOrphans: removeOrphans,
  forgotten: forgetHistory,
  purgedDomains: purgeDeletedDomains,
  toldDomains: tellLaggingDomains,
  publishedDeliveries: publishDueDeliveries,
} as const satisfies Record<string, Chore>

/** How many things of each kind one sweep has done; null for a chore that failed, whose reason is in the log. */
export type SweepReport = Record<keyof typeof chores, number | null>

/**
 * Finishes what a crash, a failed publish or a lost message left half done, and what time has brought. Runs every
 * minute, bounded in work; what it does not get done, or what fails, the next one takes up.
 */
export async function reconcile(
  parts: ChoreParts,
  options: ChoreOptions = { dryRun: false, acceptOrphans: false },
): Promise<SweepReport> {
  const report = {} as SweepReport
  for (const name of Object.keys(chores) as (keyof typeof chores)[]) {
    try {
      report[name] = await chores[name](parts, options)
    } catch (error) {
      report[name] = null
      parts.log('error', 'chore-failed', { chore: name, error })
    }
  }
  if (Object.values(report).some((count) => count !== 0)) {
    parts.log('info', 'reconciled', { ...report, dryRun: options.dryRun })
  }
  return report
}
