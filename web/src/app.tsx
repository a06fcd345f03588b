import { useEffect, useRef } from 'preact/hooks'
import { SignIn } from './pages/sign-in/sign-in.tsx'
import { Page } from './pages.tsx'
import { Loading } from './parts/loading.tsx'
import { place } from './router.ts'
import { sessionState } from './session.ts'
import { Shell } from './shell.tsx'

/** Signing in, and then the page that the address names. */
export function App() {
  const state = sessionState.value
  switch (state.kind) {
    case 'checking':
      return <Loading what="the console" />
    case 'signed-out':
      return <SignIn reason={state.reason} />
    case 'signed-in':
      return (
        <Shell session={state.session}>
          <Main />
        </Shell>
      )
  }
}

/** The page. Whoever goes to another one by keyboard, or hears it, begins at its top. */
function Main() {
  const main = useRef<HTMLElement>(null)
  const path = place.value.segments.join('/')
  const seen = useRef(path)
  useEffect(() => {
    if (seen.current === path) return
    seen.current = path
    main.current?.focus({ preventScroll: true })
    scrollTo(0, 0)
  }, [path])
  return (
    <main class="shell-main" id="main" tabIndex={-1} ref={main}>
      <Page />
    </main>
  )
}
