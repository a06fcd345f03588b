import { useEffect } from 'preact/hooks'
import { homeOf } from '../home.ts'
import { Loading } from '../parts/loading.tsx'
import { goTo } from '../router.ts'
import { requireSession } from '../session.ts'

/** Goes on to where the session begins. */
export function Start() {
  const home = homeOf(requireSession())
  useEffect(() => goTo(home, { replace: true }), [home])
  return <Loading what="the console" />
}
