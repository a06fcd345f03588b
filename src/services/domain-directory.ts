import type { Domain } from '../core/domain.ts'
import { isSlug, meaningOfHost } from '../core/host.ts'
import type { Located } from '../core/jurisdiction.ts'
import type { Clock } from '../core/ports.ts'
import type { TimedCache } from '../core/timed-cache.ts'
import type { Database } from '../db/database.ts'
import { findAccount } from '../db/domain-accounts.ts'
import { type DomainName, findDomainByHostname, findDomainById, findDomainBySlug } from '../db/domains.ts'

export interface DirectoryParts {
  control: Database
  baseDomain: string
  databaseFor(domain: Located): Database
  /** Shared by the isolate, 30 s an entry. Only domains that exist are kept, so that a new one is found at once. */
  cache: TimedCache<Domain>
  now: Clock
}

/** Finds domains by their names; a deleted one is not found. Each lookup costs nothing while its last answer is fresh. */
export class DomainDirectory {
  readonly #parts: DirectoryParts

  constructor(parts: DirectoryParts) {
    this.#parts = parts
  }

  bySlug(slug: string): Promise<Domain | null> {
    return this.#find(`slug:${slug}`, (control) => findDomainBySlug(control, slug))
  }

  byHostname(hostname: string): Promise<Domain | null> {
    return this.#find(`hostname:${hostname}`, (control) => findDomainByHostname(control, hostname))
  }

  byId(id: string): Promise<Domain | null> {
    return this.#find(`id:${id}`, (control) => findDomainById(control, id))
  }

  /** By what a client wrote into a header, a parameter or a form field: a slug, or any host the domain is served at. */
  async byClientText(text: string): Promise<Domain | null> {
    const name = text.trim().toLowerCase()
    if (isSlug(name)) return this.bySlug(name)
    const meaning = meaningOfHost(name, this.#parts.baseDomain)
    if (meaning.kind === 'slug') return this.bySlug(meaning.slug)
    return meaning.kind === 'hostname' ? this.byHostname(meaning.hostname) : null
  }

  /** Forgets a domain that was changed here, so that this isolate sees it at once; others see it within 30 s. */
  forget(domainId: string): void {
    this.#parts.cache.forget((domain) => domain.id === domainId)
  }

  async #find(key: string, find: (control: Database) => Promise<DomainName | undefined>): Promise<Domain | null> {
    const { control, databaseFor, cache, now } = this.#parts
    const cached = cache.get(key, now())
    if (cached) return cached
    const name = await find(control)
    if (!name) return null
    const account = await findAccount(databaseFor(name), name.id)
    if (!account || account.deletedAt !== null) return null
    const domain: Domain = {
      id: name.id,
      slug: name.slug,
      jurisdiction: name.jurisdiction,
      policy: account.policy,
      suspendedAt: account.suspendedAt,
      stored: account.stored,
    }
    // Whoever came by one name mostly comes by the others next: a key by the id, its upload by the slug.
    for (const known of new Set([key, `id:${name.id}`, `slug:${name.slug}`])) cache.set(known, domain, now())
    return domain
  }
}
