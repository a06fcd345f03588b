import { and, asc, eq, gt, sql } from 'drizzle-orm'
import type { Located } from '../core/jurisdiction.ts'
import type { Database } from './database.ts'
import { domains, hostnames } from './schema.ts'

/** A row of the control database: who a name belongs to, and where everything else of it is. */
export interface DomainName extends Located {
  id: string
  slug: string
  createdAt: number
}

const nameColumns = {
  id: domains.id,
  slug: domains.slug,
  jurisdiction: domains.jurisdiction,
  createdAt: domains.createdAt,
}

export async function findDomainBySlug(control: Database, slug: string): Promise<DomainName | undefined> {
  return control.select(nameColumns).from(domains).where(eq(domains.slug, slug)).get()
}

export async function findDomainById(control: Database, id: string): Promise<DomainName | undefined> {
  return control.select(nameColumns).from(domains).where(eq(domains.id, id)).get()
}

/** Only a hostname that is proved to be a domain's leads to it. */
export async function findDomainByHostname(control: Database, hostname: string): Promise<DomainName | undefined> {
  return control
    .select(nameColumns)
    .from(hostnames)
    .innerJoin(domains, eq(domains.id, hostnames.domainId))
    .where(and(eq(hostnames.hostname, hostname), sql`${hostnames.verifiedAt} IS NOT NULL`))
    .get()
}

export interface DomainFilter {
  /** The deleted ones that are meant, as their accounts say. */
  deletedIds: readonly string[]
  /** Whether these are wanted, or all others. */
  areDeleted: boolean
  /** Where the page before ended. */
  afterSlug: string
}

/** Domains by their slugs, at most `limit`. */
export async function listDomainNames(
  control: Database,
  { deletedIds, areDeleted, afterSlug }: DomainFilter,
  limit: number,
): Promise<DomainName[]> {
  const isDeleted = sql`${domains.id} IN (SELECT value FROM json_each(${JSON.stringify(deletedIds)}))`
  return control
    .select(nameColumns)
    .from(domains)
    .where(and(gt(domains.slug, afterSlug), areDeleted ? isDeleted : sql`NOT ${isDeleted}`))
    .orderBy(asc(domains.slug))
    .limit(limit)
}

/** Claims a slug and hostnames in one batch. A taken one fails it: see `violates(error, 'domains.slug' | 'hostnames.hostname')`. */
export async function insertDomainNames(
  control: Database,
  domain: DomainName,
  names: readonly string[],
): Promise<void> {
  const { id: domainId, createdAt } = domain
  await control.batch([
    control.insert(domains).values(domain),
    ...names.map((hostname) =>
      control.insert(hostnames).values({ hostname, domainId, createdAt, verifiedAt: createdAt }),
    ),
  ])
}

/** Frees the slug and the hostnames of a domain. */
export async function deleteDomainNames(control: Database, id: string): Promise<void> {
  await control.batch([
    control.delete(hostnames).where(eq(hostnames.domainId, id)),
    control.delete(domains).where(eq(domains.id, id)),
  ])
}
