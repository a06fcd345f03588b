import { Refusal } from './errors.ts'
import type { Located } from './jurisdiction.ts'
import type { Policy } from './policy.ts'

/** What a domain has stored, or reserved for what is on its way. */
export interface StoredUsage {
  readonly files: number
  readonly bytes: number
}

/** A tenant, as every layer sees it. */
export interface Domain extends Located {
  readonly id: string
  readonly slug: string
  readonly policy: Policy
  /** When it was suspended, in milliseconds since 1970; a suspended domain reads but does not accept. */
  readonly suspendedAt: number | null
  /** As it was when the domain was looked up, up to 30 seconds ago: good for a first guess only. */
  readonly stored: StoredUsage
}

/** The answer to a name that no domain has. */
export function domainNotFound(name: string): Refusal {
  return new Refusal('domain-not-found', `There is no domain "${name.slice(0, 100)}" here.`)
}

/** What was found by this name. Throws `domain-not-found` where nothing was. */
export function requireFound(found: Domain | null, name: string): Domain {
  if (found) return found
  throw domainNotFound(name)
}
