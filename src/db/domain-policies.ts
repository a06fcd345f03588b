import { eq, sql } from 'drizzle-orm'
import { domainAccounts, domainPolicies } from './schema.ts'

/** Which policy belongs to an account, for a join of both. */
export const ofAccount = eq(domainPolicies.domainId, domainAccounts.domainId)

/** A field of the policy in force, as SQL, for a statement whose row is a domain's account. */
export function policyField(field: 'quotaFiles' | 'quotaBytes' | 'anonymousUpload') {
  return sql`(SELECT json_extract(policy, ${sql.raw(`'$.${field}'`)}) FROM domain_policies
    WHERE domain_policies.domain_id = domain_accounts.domain_id)`
}
