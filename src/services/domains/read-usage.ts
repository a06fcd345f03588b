import { domainNotFound } from '../../core/domain.ts'
import { findUsage } from '../../db/domain-accounts.ts'
import { type FindParts, findOpenDomain } from './find-domain.ts'

/** What a domain has stored, how much it may store (null: no limit), and how many files it has accepted this month (UTC). */
export interface Usage {
  files: number
  bytes: number
  uploadsThisMonth: number
  quotaFiles: number | null
  quotaBytes: number | null
}

/** Throws `domain-not-found`, also for a deleted one. */
export async function readUsage(parts: FindParts, slug: string): Promise<Usage> {
  const { name, account, place } = await findOpenDomain(parts, slug)
  const usage = await findUsage(place.db, name.id)
  if (!usage) throw domainNotFound(slug)
  const { quotaFiles, quotaBytes } = account.policy
  return { ...usage, quotaFiles, quotaBytes }
}
