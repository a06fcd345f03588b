import type { ComponentChildren } from 'preact'
import { seesFiles } from './home.ts'
import icon from './icon.svg'
import { Button } from './parts/button.tsx'
import { DomainChoice } from './parts/domain-choice.tsx'
import { goTo, hrefTo, place } from './router.ts'
import { type Session, signOut } from './session.ts'

/** The frame of every page: where one is, where one may go, and as whom. */
export function Shell({ session, children }: { session: Session; children: ComponentChildren }) {
  const [section] = place.value.segments
  const isAdministrator = session.kind === 'administrator'
  const domainsHref =
    isAdministrator || session.domain === null ? hrefTo(['domains']) : hrefTo(['domains', session.domain])
  const links = [
    ...(session.domain !== null && seesFiles(session)
      ? [{ name: 'files', label: 'Files', href: hrefTo(['files', session.domain]) }]
      : []),
    ...(session.scopes.includes('manage')
      ? [{ name: 'domains', label: isAdministrator ? 'Domains' : 'Domain', href: domainsHref }]
      : []),
  ]
  return (
    <>
      <button type="button" class="skip-link" onClick={toMain}>
        Skip to the content
      </button>
      <header class="shell-bar">
        <div class="shell-bar-row">
          <a class="brand" href={hrefTo([])}>
            <img src={icon} alt="" width="28" height="28" />
            Stevedore
          </a>
          <nav class="shell-nav" aria-label="Console">
            {links.map(({ name, label, href }) => (
              <a key={name} href={href} aria-current={section === name ? 'page' : undefined}>
                {label}
              </a>
            ))}
          </nav>
          <div class="shell-session">
            {isAdministrator ? (
              section === 'files' && <DomainChoice chosen={session.domain} />
            ) : (
              <span class="soft">{session.domain}</span>
            )}
            <Button look="quiet" compact onClick={leave}>
              Sign out
            </Button>
          </div>
        </div>
      </header>
      {children}
    </>
  )
}

function leave(): void {
  signOut()
  goTo(hrefTo([]), { replace: true })
}

/** No link to `#main`: behind the `#` stands which page is open. */
function toMain(): void {
  document.getElementById('main')?.focus()
}
