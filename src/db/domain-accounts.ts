import { eq, sql } from 'drizzle-orm'
import type { StoredUsage } from '../core/domain.ts'
import { type Policy, storedPolicy } from '../core/policy.ts'
import { compile } from './compiled.ts'
import type { Database } from './database.ts'
import { isNoDomain, ofAccount, policyField } from './domain-policies.ts'
import type { HeldKey } from './idempotency-keys.ts'
import { domainAccounts, domainPolicies } from './schema.ts'
import type { CountedToken } from './token-uses.ts'

export interface DomainAccount {
  policy: Policy
  suspendedAt: number | null
  stored: StoredUsage
  /** From then on the domain is closed to everybody but its administrator, who may take it back for a while. */
  deletedAt: number | null
}

const storedColumns = { files: domainAccounts.storedFiles, bytes: domainAccounts.storedBytes }
const thisMonth = sql`strftime('%Y-%m', 'now')`

/** What a domain may do. Fields that its policy was written without have their defaults. */
export async function findAccount(db: Database, domainId: string): Promise<DomainAccount | undefined> {
  const account = await db
    .select({
      policy: domainPolicies.policy,
      suspendedAt: domainAccounts.suspendedAt,
      stored: storedColumns,
      deletedAt: domainAccounts.deletedAt,
    })
    .from(domainAccounts)
    .innerJoin(domainPolicies, ofAccount)
    .where(eq(domainAccounts.domainId, domainId))
    .get()
  return account && { ...account, policy: storedPolicy(account.policy) }
}

/** What a domain has stored, and how many files it has accepted since the first of this month (UTC). */
export async function findUsage(
  db: Database,
  domainId: string,
): Promise<(StoredUsage & { uploadsThisMonth: number }) | undefined> {
  return db
    .select({
      ...storedColumns,
      uploadsThisMonth: sql<number>`iif(usage_month = ${thisMonth}, month_uploads, 0)`,
    })
    .from(domainAccounts)
    .where(eq(domainAccounts.domainId, domainId))
    .get()
}

/** Opens the account of a new domain. Doing it twice changes nothing. */
export async function insertAccount(db: Database, domainId: string, policy: Policy): Promise<void> {
  await db.batch([
    db.insert(domainAccounts).values({ domainId }).onConflictDoNothing(),
    db
      .insert(domainPolicies)
      .values({ domainId, policy, administratorPolicy: policy, managerPolicy: {} })
      .onConflictDoNothing(),
  ])
}

/** Removes the account of a domain that could not be made, or of which nothing is left. Throws while it has files. */
export async function deleteAccount(db: Database, domainId: string): Promise<void> {
  await db.batch([
    db.delete(domainPolicies).where(eq(domainPolicies.domainId, domainId)),
    db.delete(domainAccounts).where(eq(domainAccounts.domainId, domainId)),
  ])
}

/** What a batch is about to add to a domain, and what must hold for it. */
export interface Admission {
  domainId: string
  /** How many files it adds to what is stored, and how many bytes; a claim has added its own already. */
  files: number
  bytes: number
  /** How many files it accepts, for the count of the month. */
  accepted: number
  /** The API key the files came in with, or that made their token: it must not have been revoked meanwhile, nor have expired. */
  keyId: string | null
  /** Whether nothing but the domain's openness lets them in: it must not have been closed meanwhile. */
  isAnonymous: boolean
  /** The upload token they came in with: it must have as many uses left as are wanted of it. */
  token: CountedToken | null
  usesWanted: number
  /** Files already claimed at `uploading`: each must still be there. */
  claimedIds: readonly string[]
  /** The idempotency key the request holds: it must not have lost it. */
  idempotency: HeldKey | null
  /** Ids older than this (milliseconds since 1970) are refused: the reconciler may have judged their objects already. */
  oldestIdTime: number
  oldestAllowedAgeMs: number
}

const given = sql.placeholder

const admitStatement = compile((db) =>
  db
    .update(domainAccounts)
    .set({
      storedFiles: sql`stored_files + ${given('files')}`,
      storedBytes: sql`stored_bytes + ${given('bytes')}`,
      monthUploads: sql`${given('accepted')} + iif(usage_month = ${thisMonth}, month_uploads, 0)`,
      usageMonth: thisMonth,
      refusal: sql`CASE
        WHEN ${isNoDomain} THEN 'domain_deleted'
        WHEN suspended_at IS NOT NULL THEN 'domain_suspended'
        WHEN ${given('keyId')} IS NOT NULL
          AND NOT EXISTS (SELECT 1 FROM api_keys
            WHERE api_keys.domain_id = ${given('domainId')} AND id = ${given('keyId')} AND revoked_at IS NULL
            AND (expires_at IS NULL OR expires_at > unixepoch('subsec') * 1000)) THEN 'key_revoked'
        WHEN ${given('isAnonymous')} AND ${policyField('anonymousUpload')} IS NOT 1 THEN 'no_longer_open'
        WHEN ${given('usesWanted')} + coalesce((SELECT used FROM token_uses
          WHERE token_uses.domain_id = ${given('domainId')} AND token_id = ${given('tokenId')}), 0) > ${given('uses')} THEN 'token_used_up'
        WHEN unixepoch('subsec') * 1000 - ${given('oldestIdTime')} > ${given('oldestAllowedAgeMs')} THEN 'commit_too_late'
        WHEN ${given('claims')} > 0 AND ${given('claims')} <> (SELECT count(*) FROM uploaded_files
          WHERE uploaded_files.domain_id = ${given('domainId')} AND status = 'uploading' AND id IN (SELECT value FROM json_each(${given('claimedIds')}))) THEN 'claim_lost'
        WHEN ${given('holder')} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM idempotency_keys
          WHERE idempotency_keys.domain_id = ${given('domainId')} AND client = ${given('client')} AND key = ${given('key')}
            AND holder = ${given('holder')} AND outcome IS NULL) THEN 'idempotency_lost'
        WHEN stored_files + ${given('files')} > ${policyField('quotaFiles')} THEN 'quota_files'
        WHEN stored_bytes + ${given('bytes')} > ${policyField('quotaBytes')} THEN 'quota_bytes'
      END`,
    })
    .where(eq(domainAccounts.domainId, given('domainId'))),
)

/**
 * The first statement of every commit and claim: counts the files, or writes the reason against them, which fails the
 * check of that name and with it the whole batch. D1's own clock judges the age, so a statement that was long on its
 * way is refused too.
 */
export function admit(
  db: Database,
  { claimedIds, idempotency, token, isAnonymous, ...admission }: Admission,
): D1PreparedStatement {
  return admitStatement(db, {
    ...admission,
    isAnonymous: isAnonymous ? 1 : 0,
    claims: claimedIds.length,
    claimedIds: JSON.stringify(claimedIds),
    tokenId: token?.tokenId ?? null,
    uses: token?.uses ?? null,
    client: idempotency?.client ?? null,
    key: idempotency?.key ?? null,
    holder: idempotency?.holder ?? null,
  })
}
