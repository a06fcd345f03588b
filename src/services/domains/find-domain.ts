import { domainNotFound } from '../../core/domain.ts'
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
}

/** The domain with this slug, be it deleted or not. Throws `domain-not-found`, and `Misconfigured` as `placeFor` does. */
export async function findDomainRecord({ control, places }: FindParts, slug: string): Promise<DomainRecord> {
  const name = await findDomainBySlug(control, slug)
  if (!name) throw domainNotFound(slug)
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
