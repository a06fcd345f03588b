import type { Domain } from '../../administration.ts'

/** What each tab of a domain is handed. */
export interface TabProps {
  domain: Domain
  /** Fetches the domain again, when it was changed. */
  reload: () => void
}
