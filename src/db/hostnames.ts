import { and, asc, eq, sql } from 'drizzle-orm'
import type { Database } from './database.ts'
import { hostnames } from './schema.ts'

/** A hostname that a domain claims; it routes from `verifiedAt` on. */
export interface Hostname {
  hostname: string
  domainId: string
  createdAt: number
  verifiedAt: number | null
}

/** The hostnames of these domains, in the order in which they were added. */
export async function findHostnames(control: Database, domainIds: readonly string[]): Promise<Hostname[]> {
  return control
    .select()
    .from(hostnames)
    .where(sql`${hostnames.domainId} IN (SELECT value FROM json_each(${JSON.stringify(domainIds)}))`)
    .orderBy(asc(hostnames.createdAt), asc(hostnames.hostname))
}

export async function findHostname(
  control: Database,
  domainId: string,
  hostname: string,
): Promise<Hostname | undefined> {
  return control.select().from(hostnames).where(isOne(domainId, hostname)).get()
}

/**
 * Claims a hostname for a domain that has fewer than `most`; one that it has already stays. Undefined: it has as many
 * as it may have.
 */
export async function insertHostname(
  control: Database,
  { hostname, domainId, createdAt, verifiedAt }: Hostname,
  most: number,
): Promise<Hostname | undefined> {
  const row = sql`SELECT ${hostname}, ${domainId}, ${createdAt}, ${verifiedAt}
    WHERE (SELECT count(*) FROM ${hostnames} WHERE ${hostnames.domainId} = ${domainId} AND ${hostnames.hostname} <> ${hostname}) < ${most}`
  const [inserted] = await control
    .insert(hostnames)
    .select(row)
    .onConflictDoUpdate({
      target: [hostnames.hostname, hostnames.domainId],
      set: { verifiedAt: sql`coalesce(${hostnames.verifiedAt}, excluded.verified_at)` },
    })
    .returning()
  return inserted
}

/**
 * Lets a hostname route to this domain. Undefined: the domain does not claim it. Throws where it routes to another one:
 * see `violates(error, 'hostnames.hostname')`.
 */
export async function verifyHostname(
  control: Database,
  domainId: string,
  hostname: string,
  now: number,
): Promise<Hostname | undefined> {
  const [verified] = await control
    .update(hostnames)
    .set({ verifiedAt: sql`coalesce(${hostnames.verifiedAt}, ${now})` })
    .where(isOne(domainId, hostname))
    .returning()
  return verified
}

/** Gives a hostname up; returns whether the domain had it. */
export async function deleteHostname(control: Database, domainId: string, hostname: string): Promise<boolean> {
  const deleted = await control
    .delete(hostnames)
    .where(isOne(domainId, hostname))
    .returning({ hostname: hostnames.hostname })
  return deleted.length > 0
}

function isOne(domainId: string, hostname: string) {
  return and(eq(hostnames.domainId, domainId), eq(hostnames.hostname, hostname))
}
