import { eq } from 'drizzle-orm'
import type { Database } from './database.ts'
import { domains, hostnames } from './schema.ts'

/** A row of the control database: who a name belongs to. */
export interface DomainName {
  id: string
  slug: string
  createdAt: number
}

export async function findDomainBySlug(control: Database, slug: string): Promise<DomainName | undefined> {
  return control.select().from(domains).where(eq(domains.slug, slug)).get()
}

export async function findDomainById(control: Database, id: string): Promise<DomainName | undefined> {
  return control.select().from(domains).where(eq(domains.id, id)).get()
}

export async function findDomainByHostname(control: Database, hostname: string): Promise<DomainName | undefined> {
  return control
    .select({
      id: domains.id,
      slug: domains.slug,
      createdAt: domains.createdAt,
    })
    .from(hostnames)
    .innerJoin(domains, eq(domains.id, hostnames.domainId))
    .where(eq(hostnames.hostname, hostname))
    .get()
}

/** Claims a slug and hostnames in one batch. A taken one fails it: see `violates(error, 'domains.slug' | 'hostnames.hostname')`. */
export async function insertDomainNames(
  control: Database,
  domain: DomainName,
  names: readonly string[],
): Promise<void> {
  await control.batch([
    control.insert(domains).values(domain),
    ...names.map((hostname) =>
      control.insert(hostnames).values({ hostname, domainId: domain.id, createdAt: domain.createdAt }),
    ),
  ])
}
