import type { Policy } from './policy.ts'

/** A tenant, as every layer sees it. */
export interface Domain {
  readonly id: string
  readonly slug: string
  readonly policy: Policy
  /** When it was suspended, in milliseconds since 1970; a suspended domain reads but does not accept. */
  readonly suspendedAt: number | null
}
