import { v7 as uuidv7 } from 'uuid'
import { Refusal } from '../../core/errors.ts'
import { reservedSlugs } from '../../core/host.ts'
import type { Jurisdiction } from '../../core/jurisdiction.ts'
import type { Policy } from '../../core/policy.ts'
import type { Clock } from '../../core/ports.ts'
import { violates } from '../../db/database.ts'
import { deleteAccount, insertAccount } from '../../db/domain-accounts.ts'
import { insertDomainNames } from '../../db/domains.ts'
import type { Steps } from '../../processing/step.ts'
import { type Place, placeIn } from '../place.ts'
import { hostnameTaken, requireHostname } from './domain-hostnames.ts'
import type { DomainRecord, FindParts } from './find-domain.ts'
import { requireRunnable } from './require-runnable.ts'

export interface NewDomain {
  slug: string
  hostnames: readonly string[]
  policy: Policy
  /** Where its data must stay; null is the deployment's own place. Never changed afterwards. */
  jurisdiction: Jurisdiction | null
}

/**
 * Makes a domain; its hostnames route at once. Throws `domain-exists` or `hostname-taken` when a name belongs to
 * somebody, and `request-invalid` for a name that nobody may have, steps that the deployment can't run, or a jurisdiction
 * that it has no place in.
 */
export async function createDomain(
  { control, places, baseDomain, steps, now }: FindParts & { baseDomain: string; steps: Steps; now: Clock },
  { slug, hostnames, policy, jurisdiction }: NewDomain,
): Promise<DomainRecord> {
  if (reservedSlugs.has(slug)) {
    throw new Refusal('request-invalid', `The slug "${slug}" is reserved. Choose another.`, { facts: { slug } })
  }
  requireRunnable(steps, policy)
  const place = requirePlace(places, jurisdiction)
  const names = [...new Set(hostnames.map((hostname) => requireHostname(hostname, baseDomain)))]
  const name = { id: uuidv7(), slug, jurisdiction, createdAt: now() }
  // The account first: a domain that can be found must have one. Without its name it is never found, and harms nobody.
  await insertAccount(place.db, name.id, policy)
  try {
    await insertDomainNames(control, name, names)
  } catch (error) {
    const refusal = refusalOfNames(error, slug, names)
    // After any other error the names may be written all the same, and then they need their account.
    if (!refusal) throw error
    await deleteAccount(place.db, name.id).catch(() => {})
    throw refusal
  }
  const account = {
    domainId: name.id,
    policy,
    administratorPolicy: policy,
    managerPolicy: {},
    version: 1,
    suspendedAt: null,
    deletedAt: null,
    stored: { files: 0, bytes: 0 },
  }
  return { name, account, place }
}

function requirePlace(places: readonly Place[], jurisdiction: Jurisdiction | null): Place {
  const place = placeIn(places, jurisdiction)
  if (place) return place
  const offered = places.flatMap((place) => (place.jurisdiction === null ? [] : [place.jurisdiction]))
  throw new Refusal(
    'request-invalid',
    `This deployment has no database and no bucket in the jurisdiction "${jurisdiction}": its operator has to bind them first.`,
    { facts: { jurisdiction, offered } },
  )
}

/** The refusal behind a failed claim of names, when the database named one. */
function refusalOfNames(error: unknown, slug: string, hostnames: readonly string[]): Refusal | undefined {
  if (violates(error, 'domains.slug')) {
    return new Refusal('domain-exists', `There is a domain "${slug}" already, or one that can still be restored.`, {
      facts: { slug },
    })
  }
  return violates(error, 'hostnames.hostname') ? hostnameTaken(hostnames) : undefined
}
