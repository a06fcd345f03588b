import { Refusal } from '../../core/errors.ts'
import type { Clock } from '../../core/ports.ts'
import { markDeleted, unmarkDeleted } from '../../db/account-changes.ts'
import type { DomainDirectory } from '../domain-directory.ts'
import { type DomainRecord, type FindParts, findDomainRecord } from './find-domain.ts'

export interface DeleteParts extends FindParts {
  directory: Pick<DomainDirectory, 'forget'>
  now: Clock
}

/**
 * Closes a domain: commits refuse it from this moment, everything else within 30 s. Its names and files stay for the
 * grace time. Deleting it twice changes nothing. Throws `domain-not-found`.
 */
export async function deleteDomain(parts: DeleteParts, slug: string): Promise<void> {
  const { name, place } = await findDomainRecord(parts, slug)
  await markDeleted(place.db, name.id, parts.now())
  parts.directory.forget(name.id)
}

/**
 * Takes a deleted domain back, as it was. One that is open stays as it is. Throws `domain-deleted` after the grace time,
 * and `domain-not-found` when nothing of it is left.
 */
export async function restoreDomain(
  parts: DeleteParts & { domainGraceMs: number },
  slug: string,
): Promise<DomainRecord> {
  const { name, account, place } = await findDomainRecord(parts, slug)
  if (account.deletedAt === null) return { name, account, place }
  if (!(await unmarkDeleted(place.db, name.id, parts.now() - parts.domainGraceMs))) {
    throw new Refusal('domain-deleted', `The domain "${slug}" was deleted too long ago to be restored.`)
  }
  parts.directory.forget(name.id)
  return { name, account: { ...account, deletedAt: null }, place }
}
