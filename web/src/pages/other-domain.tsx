import { homeOf } from '../home.ts'
import { Empty } from '../parts/empty.tsx'
import type { Session } from '../session.ts'

interface OtherDomainProps {
  /** The domain that the address names. */
  domain: string
  session: Session
}

/**
 * An address in a domain that the key is not for. Nothing is asked there: the answer would be 401, as for a key that is
 * gone, and would end the session.
 */
export function OtherDomain({ domain, session }: OtherDomainProps) {
  return (
    <Empty title={`This key is not for ${domain}`}>
      <p>
        It is for {session.domain}. To see {domain}, sign out and sign in with one of its keys.
      </p>
      <a href={homeOf(session)}>To {session.domain}</a>
    </Empty>
  )
}
