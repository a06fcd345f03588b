import { Misconfigured } from '../core/errors.ts'
import type { Jurisdiction, Located } from '../core/jurisdiction.ts'
import type { Clock } from '../core/ports.ts'
import type { TimedCache } from '../core/timed-cache.ts'
import type { Database } from '../db/database.ts'
import { findDomainById } from '../db/domains.ts'
import type { ObjectStorage } from '../storage/object-storage.ts'

/** A database that holds files, with its bucket. */
export interface Place extends Located {
  readonly db: Database
  readonly storage: ObjectStorage
}

/** The place of one domain. */
export interface DomainPlace extends Place {
  readonly slug: string
}

export interface PlaceParts {
  control: Database
  places: readonly Place[]
  /** A domain never moves and keeps its slug, so an entry is good for as long as one likes. */
  cache: TimedCache<DomainPlace>
  now: Clock
}

/** The place of one jurisdiction; undefined where the deployment has none for it. */
export function placeIn(places: readonly Place[], jurisdiction: Jurisdiction | null): Place | undefined {
  return places.find((place) => place.jurisdiction === jurisdiction)
}

/** The place of a domain that there is. Throws `Misconfigured` where its jurisdiction has lost its bindings. */
export function placeFor(places: readonly Place[], { jurisdiction }: Located): Place {
  const place = placeIn(places, jurisdiction)
  if (!place) throw new Misconfigured(`there is a domain in "${jurisdiction}", and no bindings for it`)
  return place
}

/**
 * Where the domain with this id has its data, for who knows no more of it than a job or a key tells. Null: there is no
 * such domain. Throws `Misconfigured` as `placeFor` does; so the register is asked even where there is one place alone,
 * which may be all that is left of two.
 */
export async function findPlace(
  { control, places, cache, now }: PlaceParts,
  domainId: string,
): Promise<DomainPlace | null> {
  const cached = cache.get(domainId, now())
  if (cached) return cached
  const domain = await findDomainById(control, domainId)
  if (!domain) return null
  const place = { ...placeFor(places, domain), slug: domain.slug }
  cache.set(domainId, place, now())
  return place
}
