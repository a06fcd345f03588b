import { readCursor, writeCursor } from '../../core/cursor.ts'
import { isSlug } from '../../core/host.ts'
import type { Clock } from '../../core/ports.ts'
import { findAccountRecords, findDeletedDomains, findRestorableDomains } from '../../db/account-changes.ts'
import { listDomainNames } from '../../db/domains.ts'
import { findHostnames } from '../../db/hostnames.ts'
import type { Place } from '../place.ts'
import type { DescribedDomain, FindParts } from './find-domain.ts'

export interface DomainPage {
  domains: DescribedDomain[]
  /** Opaque; null on the last page. */
  nextCursor: string | null
}

/**
 * One page of the domains by their slugs: those that are open, or those that were deleted and can still be restored.
 * Throws `request-invalid` for a cursor that no page has given out.
 */
export async function listDomains(
  { control, places, now, domainGraceMs }: FindParts & { now: Clock; domainGraceMs: number },
  { areDeleted, limit, cursor }: { areDeleted: boolean; limit: number; cursor?: string | undefined },
): Promise<DomainPage> {
  const afterSlug = cursor === undefined ? '' : readCursor(cursor, (slug) => (isSlug(slug) ? slug : undefined))
  const deletedAfter = now() - domainGraceMs
  const findDeleted = ({ db }: Place) => (areDeleted ? findRestorableDomains(db, deletedAfter) : findDeletedDomains(db))
  const deletedIds = (await Promise.all(places.map(findDeleted))).flat()
  // One more than asked for tells whether there is a next page.
  const found = await listDomainNames(control, { deletedIds, areDeleted, afterSlug }, limit + 1)
  const names = found.slice(0, limit)
  const ids = names.map((name) => name.id)
  const [hostnames, ...accounts] = await Promise.all([
    findHostnames(control, ids),
    ...places.map(({ db }) => findAccountRecords(db, ids)),
  ])
  const accountById = new Map(accounts.flat().map((account) => [account.domainId, account]))
  const last = names.at(-1)
  return {
    domains: names.flatMap((name) => {
      const account = accountById.get(name.id)
      // Its jurisdiction may have lost its bindings; that is for the operator, and no reason to show nobody.
      if (!account) return []
      return [{ name, account, hostnames: hostnames.filter(({ domainId }) => domainId === name.id) }]
    }),
    nextCursor: found.length > limit && last ? writeCursor(last.slug) : null,
  }
}
