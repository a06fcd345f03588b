import { sql } from 'drizzle-orm'
import { check, index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import type { Jurisdiction } from '../../core/jurisdiction.ts'
import type { Policy, PolicyChange } from '../../core/policy.ts'

export const domains = sqliteTable('domains', {
  id: text().primaryKey(),
  slug: text().notNull().unique(),
  /** In which place everything else of it is; null is the deployment's own. */
  jurisdiction: text().$type<Jurisdiction>(),
  createdAt: integer('created_at').notNull(),
})

/** Which hostnames domains claim. Any number may claim one; only one can have proved that it is his. */
export const hostnames = sqliteTable(
  'hostnames',
  {
    hostname: text().notNull(),
    domainId: text('domain_id')
      .notNull()
      .references(() => domains.id),
    createdAt: integer('created_at').notNull(),
    /** Since when it routes. */
    verifiedAt: integer('verified_at'),
  },
  (table) => [
    primaryKey({ columns: [table.hostname, table.domainId] }),
    uniqueIndex('hostnames_verified').on(table.hostname).where(sql`verified_at IS NOT NULL`),
    index('hostnames_by_domain').on(table.domainId),
  ],
)

/** Why a commit may be refused; each is the name of a check of `domain_accounts`, which D1's error message repeats. */
export const commitRefusals = [
  'domain_deleted',
  'domain_suspended',
  'key_revoked',
  'no_longer_open',
  'token_used_up',
  'claim_lost',
  'idempotency_lost',
  'commit_too_late',
  'quota_files',
  'quota_bytes',
] as const

export type CommitRefusal = (typeof commitRefusals)[number]

/**
 * What a domain has stored, and whether it is open. Every commit writes this row anew, so it holds nothing that is long:
 * the policy has a table of its own. A commit updates the row first and writes into `refusal` why it must not
 * happen, if there is a reason: the check of that name then fails the whole batch. (The quota itself is no check: freeing
 * space must work even after an operator has set it below what is stored.)
 */
export const domainAccounts = sqliteTable(
  'domain_accounts',
  {
    domainId: text('domain_id').primaryKey(),
    suspendedAt: integer('suspended_at'),
    deletedAt: integer('deleted_at'),
    /** Since when its files are being removed: from then on there is no way back. */
    purgeStartedAt: integer('purge_started_at'),
    storedFiles: integer('stored_files').notNull().default(0),
    storedBytes: integer('stored_bytes').notNull().default(0),
    /** The month that `month_uploads` counts the accepted files of, as `2026-11` (UTC). */
    usageMonth: text('usage_month').notNull().default(''),
    monthUploads: integer('month_uploads').notNull().default(0),
    /** Always null in a stored row. */
    refusal: text().$type<CommitRefusal>(),
  },
  (table) => [
    ...commitRefusals.map((refusal) => check(refusal, sql.raw(`refusal IS NOT '${refusal}'`))),
    check('stored_not_negative', sql`stored_files >= 0 AND stored_bytes >= 0`),
    index('domain_accounts_deleted').on(table.deletedAt).where(sql`deleted_at IS NOT NULL`),
  ],
)

/**
 * How many files each domain has accepted on each of the last days (UTC), and their bytes: so a chart of them costs a row
 * a day, and what was deleted since is still told. A commit adds to the row of its day.
 */
export const domainDays = sqliteTable(
  'domain_days',
  {
    domainId: text('domain_id').notNull(),
    /** As `2026-11-22`. */
    day: text().notNull(),
    uploads: integer().notNull(),
    bytes: integer().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.domainId, table.day] }),
    // Old days are found by it, to be forgotten. Counting changes no index.
    index('domain_days_by_day').on(table.day),
  ],
)

/** What a domain allows. Each account has its row here. */
export const domainPolicies = sqliteTable('domain_policies', {
  domainId: text('domain_id')
    .primaryKey()
    .references(() => domainAccounts.domainId),
  /** The policy in force: `narrow` of the two below. */
  policy: text({ mode: 'json' }).$type<Policy>().notNull(),
  administratorPolicy: text('administrator_policy', { mode: 'json' }).$type<Policy>().notNull(),
  /** What the domain's manager has set. */
  managerPolicy: text('manager_policy', { mode: 'json' }).$type<PolicyChange>().notNull(),
  /** Counts the changes of any of the three, and of whether the domain is suspended. */
  version: integer().notNull().default(1),
})
