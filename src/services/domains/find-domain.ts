import { domainNotFound } from '../../core/domain.ts'
import type { Journal } from '../../core/ports.ts'
import { type AccountRecord, findAccountRecords } from '../../db/account-changes.ts'
import type { Database } from '../../db/database.ts'
import { type DomainName, findDomainBySlug } from '../../db/domains.ts'
import { findHostnames, type Hostname } from '../../db/hostnames.ts'
import { type Place, placeFor } from '../place.ts'

/** A domain as its administration sees it: from the database, and never from a cache. */
export interface DomainRecord {
  name: DomainName
  account: AccountRecord
  place: Place
}

export interface FindParts {
  control: Database
  places: readonly Place[]
  journal: Pick<Journal, 'note'>
}

/** The domain with this slug, be it deleted or not; it is noted as what the work is about. Throws `domain-not-found`, and `Misconfigured` as `placeFor` does. */
export async function findDomainRecord({ control, places, journal }: FindParts, slug: string): Promise<DomainRecord> {
  const name = await findDomainBySlug(control, slug)
  if (!name) throw domainNotFound(slug)
  journal.note({ domain: name.slug, domainId: name.id })
  const place = placeFor(places, name)
  const [account] = await findAccountRecords(place.db, [name.id])
  if (!account) throw domainNotFound(slug)
  return { name, account, place }
}

/** The same, of which a deleted one is as if it had never been. */
export async function findOpenDomain(parts: FindParts, slug: string): Promise<DomainRecord> {
  const record = await findDomainRecord(parts, slug)
  if (record.account.deletedAt !== null) throw domainNotFound(slug)
  return record
}

/** A domain with everything that is shown of it. */
export interface DescribedDomain {
  name: DomainName
  account: AccountRecord
  hostnames: Hostname[]
}

export async function describeDomain(
  { control }: { control: Database },
  { name, account }: Pick<DomainRecord, 'name' | 'account'>,
): Promise<DescribedDomain> {
  return { name, account, hostnames: await findHostnames(control, [name.id]) }
}
