import { and, eq, exists, gt, isNotNull, isNull, lte, sql } from 'drizzle-orm'
import type { StoredUsage } from '../core/domain.ts'
import { type Policy, type PolicyChange, storedPolicy } from '../core/policy.ts'
import type { Database } from './database.ts'
import { ofAccount } from './domain-policies.ts'
import { domainAccounts, domainPolicies } from './schema.ts'

/** Everything about a domain that its administration shows and changes. */
export interface AccountRecord {
  domainId: string
  /** The policy in force. */
  policy: Policy
  administratorPolicy: Policy
  managerPolicy: PolicyChange
  /** Counts the changes; a change says which one it was made from. */
  version: number
  suspendedAt: number | null
  deletedAt: number | null
  stored: StoredUsage
}

const policyColumns = {
  domainId: domainPolicies.domainId,
  policy: domainPolicies.policy,
  administratorPolicy: domainPolicies.administratorPolicy,
  managerPolicy: domainPolicies.managerPolicy,
  version: domainPolicies.version,
}
const standingColumns = {
  suspendedAt: domainAccounts.suspendedAt,
  deletedAt: domainAccounts.deletedAt,
  stored: { files: domainAccounts.storedFiles, bytes: domainAccounts.storedBytes },
}

function withDefaults(record: AccountRecord): AccountRecord {
  const { policy, administratorPolicy } = record
  return { ...record, policy: storedPolicy(policy), administratorPolicy: storedPolicy(administratorPolicy) }
}

/** The accounts of these domains, in no order; those that are kept elsewhere are left out. */
export async function findAccountRecords(db: Database, domainIds: readonly string[]): Promise<AccountRecord[]> {
  const rows = await db
    .select({ ...policyColumns, ...standingColumns })
    .from(domainAccounts)
    .innerJoin(domainPolicies, ofAccount)
    .where(sql`${domainAccounts.domainId} IN (SELECT value FROM json_each(${JSON.stringify(domainIds)}))`)
  return rows.map(withDefaults)
}

/**
 * Writes a domain's policies and its suspension, if nobody has changed them since `record` was read. Undefined: somebody
 * has, or the domain was deleted.
 */
export async function changeAccount(
  db: Database,
  record: AccountRecord,
  change: Pick<AccountRecord, 'policy' | 'administratorPolicy' | 'managerPolicy' | 'suspendedAt'>,
): Promise<AccountRecord | undefined> {
  const { suspendedAt, ...policies } = change
  const isAsRead = and(eq(domainPolicies.domainId, record.domainId), eq(domainPolicies.version, record.version))
  const isOpen = and(eq(domainAccounts.domainId, record.domainId), isNull(domainAccounts.deletedAt))
  // Both or neither: the second statement, which ends the version, looks for what the first one asked for.
  const [[standing], [changed]] = await db.batch([
    db
      .update(domainAccounts)
      .set({ suspendedAt })
      .where(and(isOpen, exists(db.select({ id: domainPolicies.domainId }).from(domainPolicies).where(isAsRead))))
      .returning(standingColumns),
    db
      .update(domainPolicies)
      .set({ ...policies, version: record.version + 1 })
      .where(and(isAsRead, exists(db.select({ id: domainAccounts.domainId }).from(domainAccounts).where(isOpen))))
      .returning(policyColumns),
  ])
  return standing && changed && withDefaults({ ...changed, ...standing })
}

/** Closes a domain: no commit of it happens from here on. One that is closed already stays as it is. */
export async function markDeleted(db: Database, domainId: string, now: number): Promise<void> {
  await db
    .update(domainAccounts)
    .set({ deletedAt: now })
    .where(and(eq(domainAccounts.domainId, domainId), isNull(domainAccounts.deletedAt)))
}

/** Opens a domain again that was deleted after `deletedAfter`. False: it is too late, or was not deleted. */
export async function unmarkDeleted(db: Database, domainId: string, deletedAfter: number): Promise<boolean> {
  const restored = await db
    .update(domainAccounts)
    .set({ deletedAt: null })
    .where(and(eq(domainAccounts.domainId, domainId), isRestorable(deletedAfter)))
    .returning({ domainId: domainAccounts.domainId })
  return restored.length > 0
}

/** Deleted after this time, and nothing of it removed yet. */
function isRestorable(deletedAfter: number) {
  return and(gt(domainAccounts.deletedAt, deletedAfter), isNull(domainAccounts.purgeStartedAt))
}

/** The ids of the deleted domains that `unmarkDeleted` would open again. */
export async function findRestorableDomains(db: Database, deletedAfter: number): Promise<string[]> {
  const rows = await db
    .select({ domainId: domainAccounts.domainId })
    .from(domainAccounts)
    .where(isRestorable(deletedAfter))
  return rows.map((row) => row.domainId)
}

/** The ids of all domains that are deleted and still have their account. */
export async function findDeletedDomains(db: Database): Promise<string[]> {
  const rows = await db
    .select({ domainId: domainAccounts.domainId })
    .from(domainAccounts)
    .where(isNotNull(domainAccounts.deletedAt))
  return rows.map((row) => row.domainId)
}

/** Domains that were deleted at this time or before, the first of them first. */
export async function findPurgeableDomains(db: Database, deletedUntil: number, limit: number): Promise<string[]> {
  const rows = await db
    .select({ domainId: domainAccounts.domainId })
    .from(domainAccounts)
    .where(lte(domainAccounts.deletedAt, deletedUntil))
    .orderBy(domainAccounts.deletedAt)
    .limit(limit)
  return rows.map((row) => row.domainId)
}

/** Notes that there is no way back for a domain. False: it was taken back just now. */
export async function startPurge(db: Database, domainId: string, deletedUntil: number, now: number): Promise<boolean> {
  const started = await db
    .update(domainAccounts)
    .set({ purgeStartedAt: sql`coalesce(purge_started_at, ${now})` })
    .where(and(eq(domainAccounts.domainId, domainId), lte(domainAccounts.deletedAt, deletedUntil)))
    .returning({ domainId: domainAccounts.domainId })
  return started.length > 0
}
