import { v7 as uuidv7 } from 'uuid'
import type { Domain } from '../core/domain.ts'
import { Refusal } from '../core/errors.ts'
import { parseHost, reservedSlugs } from '../core/host.ts'
import type { Policy } from '../core/policy.ts'
import type { Clock } from '../core/ports.ts'
import { type Database, violates } from '../db/database.ts'
import { deleteAccount, insertAccount } from '../db/domain-accounts.ts'
import { insertDomainNames } from '../db/domains.ts'

export interface NewDomain {
  slug: string
  hostnames: readonly string[]
  policy: Policy
}

/**
 * Makes a domain. Throws `domain-exists` or `hostname-taken` when a name belongs to somebody, and `request-invalid` for
 * a name that nobody may have.
 */
export async function createDomain(
  {
    control,
    databaseFor,
    baseDomain,
    now,
  }: {
    control: Database
    databaseFor(domain: { id: string }): Database
    baseDomain: string
    now: Clock
  },
  { slug, hostnames, policy }: NewDomain,
): Promise<Domain & { hostnames: string[]; createdAt: number }> {
  if (reservedSlugs.has(slug)) {
    throw new Refusal('request-invalid', `The slug "${slug}" is reserved. Choose another.`, { facts: { slug } })
  }
  const names = [...new Set(hostnames.map((hostname) => acceptableHostname(hostname, baseDomain)))]
  const domain = { id: uuidv7(), slug, createdAt: now() }
  // The account first: a domain that can be found must have one. Without its name it is never found, and harms nobody.
  await insertAccount(databaseFor(domain), domain.id, policy)
  try {
    await insertDomainNames(control, domain, names)
  } catch (error) {
    const refusal = refusalOfNames(error, slug, names)
    // After any other error the names may be written all the same, and then they need their account.
    if (!refusal) throw error
    await deleteAccount(databaseFor(domain), domain.id).catch(() => {})
    throw refusal
  }
  return { ...domain, policy, suspendedAt: null, stored: { files: 0, bytes: 0 }, hostnames: names }
}

/** The refusal behind a failed claim of names, when the database named one. */
function refusalOfNames(error: unknown, slug: string, hostnames: readonly string[]): Refusal | undefined {
  if (violates(error, 'domains.slug'))
    return new Refusal('domain-exists', `There is a domain "${slug}" already.`, { facts: { slug } })
  if (violates(error, 'hostnames.hostname')) {
    return new Refusal('hostname-taken', 'One of the hostnames belongs to a domain already.', { facts: { hostnames } })
  }
  return undefined
}

function acceptableHostname(text: string, baseDomain: string): string {
  const hostname = parseHost(text)
  if (hostname === null || !hostname.includes('.')) {
    throw new Refusal('request-invalid', `"${text}" is no hostname. Write it as files.example.com, an IDN in punycode.`)
  }
  if (hostname === baseDomain || hostname.endsWith(`.${baseDomain}`)) {
    throw new Refusal(
      'request-invalid',
      `"${hostname}" lies under this deployment's own ${baseDomain}; the slug is its name there.`,
    )
  }
  return hostname
}
