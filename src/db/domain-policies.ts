import { eq, sql } from 'drizzle-orm'
import { domainAccounts, domainPolicies } from './schema.ts'

/** Which policy belongs to an account, for a join of both. */
export const ofAccount = eq(domainPolicies.domainId, domainAccounts.domainId)

/**
 * Why a statement whose row is a domain's account must not add to it, whatever is added: the domain is deleted, or has
 * no policy, which is no domain (`findAccount` finds none either). Without this a missing policy would be no quota.
 */
export const isNoDomain = sql`deleted_at IS NOT NULL OR NOT EXISTS (SELECT 1 FROM domain_policies
  WHERE domain_policies.domain_id = domain_accounts.domain_id)`

/** A field of the policy in force, as SQL, for a statement whose row is a domain's account. */
export function policyField(field: 'quotaFiles' | 'quotaBytes' | 'anonymousUpload') {
  return sql`(SELECT json_extract(policy, ${sql.raw(`'$.${field}'`)}) FROM domain_policies
    WHERE domain_policies.domain_id = domain_accounts.domain_id)`
}
