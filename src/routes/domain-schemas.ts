import { z } from '@hono/zod-openapi'
import type { AppContext } from '../context.ts'
import { isSlug, proofRecord } from '../core/host.ts'
import { jurisdictions } from '../core/jurisdiction.ts'
import { isAdministratorField } from '../core/narrow-policy.ts'
import { policyChangeSchema, policySchema } from '../core/policy.ts'
import { isoTime, isoTimeOrNull } from '../core/upload-view.ts'
import type { DescribedDomain } from '../services/domains/find-domain.ts'

/** What the routes of a domain's administration share. */

export const slugSchema = z
  .string()
  .refine(isSlug, 'is no slug: use 1 to 63 lower-case letters, digits and inner hyphens')

export const slugParam = z.object({
  slug: z.string().openapi({ param: { name: 'slug', in: 'path' } }),
})

export const pageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(50),
  cursor: z.string().max(200).optional().describe('`nextCursor` of the page before.'),
})

const time = z.iso.datetime()

export const hostnameSchema = z
  .object({
    hostname: z.string(),
    status: z.enum(['active', 'pending']).describe('Only an active one leads to the domain.'),
    record: z
      .object({ name: z.string(), type: z.literal('TXT'), value: z.string() })
      .describe('The DNS record that proves that the hostname is the domain’s.'),
    createdAt: time,
  })
  .openapi('Hostname')

/** The policy, of which each field that a manager may not set says so. */
const describedPolicySchema = z.strictObject(
  Object.fromEntries(
    Object.entries(policySchema.shape).map(([name, field]) => [
      name,
      isAdministratorField(name) ? field.meta({ 'x-set-by': 'administrator' }) : field,
    ]),
  ) as typeof policySchema.shape,
)

export const domainSchema = z
  .object({
    id: z.uuid(),
    slug: z.string(),
    hostnames: z.array(hostnameSchema),
    jurisdiction: z
      .enum(jurisdictions)
      .nullable()
      .describe('Where its data stays; null is the deployment’s own place.'),
    policy: describedPolicySchema.describe('The policy in force.'),
    administratorPolicy: policySchema.describe('What the administrator allows: the manager’s may be narrower.'),
    managerPolicy: policyChangeSchema.describe('The fields that the manager has set, and no others.'),
    suspendedAt: time.nullable().describe('Since when it takes no uploads.'),
    deletedAt: time.nullable().describe('Since when it is closed.'),
    stored: z
      .object({ files: z.int(), bytes: z.int() })
      .describe('What it stores, with what is on its way and has claimed its place.'),
    createdAt: time,
  })
  .openapi('Domain')

export function serialiseHostname(hostname: DescribedDomain['hostnames'][number]) {
  return {
    hostname: hostname.hostname,
    status: hostname.verifiedAt === null ? ('pending' as const) : ('active' as const),
    record: proofRecord(hostname.hostname, hostname.domainId),
    createdAt: isoTime(hostname.createdAt),
  }
}

export function serialiseDomain({ name, account, hostnames }: DescribedDomain) {
  return {
    id: name.id,
    slug: name.slug,
    hostnames: hostnames.map(serialiseHostname),
    jurisdiction: name.jurisdiction,
    policy: account.policy,
    administratorPolicy: account.administratorPolicy,
    managerPolicy: account.managerPolicy,
    suspendedAt: isoTimeOrNull(account.suspendedAt),
    deletedAt: isoTimeOrNull(account.deletedAt),
    stored: account.stored,
    createdAt: isoTime(name.createdAt),
  }
}

/** Which layer of a domain the sender of a request that passed `manager()` changes. */
export function changesFrom(c: AppContext): 'administrator' | 'manager' {
  return c.var.credential.kind === 'administrator' ? 'administrator' : 'manager'
}
