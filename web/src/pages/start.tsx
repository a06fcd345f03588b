import { useEffect } from 'preact/hooks'
import { Loading } from '../parts/loading.tsx'
import { goTo, hrefTo } from '../router.ts'
import { requireSession } from '../session.ts'

/** Goes on to the files of the session's domain, or to the domains when the administrator has chosen none. */
export function Start() {
  const { domain } = requireSession()
  useEffect(() => goTo(domain === null ? hrefTo(['domains']) : hrefTo(['files', domain]), { replace: true }), [domain])
  return <Loading what="the console" />
}
