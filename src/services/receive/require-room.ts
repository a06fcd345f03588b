import type { Domain, StoredUsage } from '../../core/domain.ts'
import type { Policy } from '../../core/policy.ts'
import type { Database } from '../../db/database.ts'
import { findUsage } from '../../db/domain-accounts.ts'
import { refusals } from './commit.ts'

/**
 * Throws `quota-exceeded` when a request that brings at least one file, and at least `bytes`, can't be committed, so
 * that nobody sends gigabytes for nothing. What speaks against it is looked up again before it counts: space may have
 * been freed a second ago. What speaks for it is not: the commit has the last word.
 */
export async function requireRoom(db: Database, domain: Domain, bytes: number): Promise<void> {
  if (!overrun(domain.policy, domain.stored, bytes)) return
  const stored = await findUsage(db, domain.id)
  const reason = stored && overrun(domain.policy, stored, bytes)
  if (reason) throw refusals[reason]()
}

function overrun({ quotaFiles, quotaBytes }: Policy, stored: StoredUsage, bytes: number) {
  if (quotaFiles !== null && stored.files + 1 > quotaFiles) return 'quota_files'
  return quotaBytes !== null && stored.bytes + bytes > quotaBytes ? 'quota_bytes' : null
}
