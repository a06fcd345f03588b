import { DomainPage } from './pages/domain/domain.tsx'
import { Domains } from './pages/domains/domains.tsx'
import { FilePage } from './pages/file/file.tsx'
import { Files } from './pages/files/files.tsx'
import { OtherDomain } from './pages/other-domain.tsx'
import { Start } from './pages/start.tsx'
import { Empty } from './parts/empty.tsx'
import { hrefTo, place } from './router.ts'
import { requireSession } from './session.ts'

/** The page that the address names: `#/files/{domain}/{id}`, `#/domains/{slug}/{tab}`. */
export function Page() {
  const { segments } = place.value
  const [section, domain, rest] = segments
  const session = requireSession()
  if (section === undefined) return <Start />
  if (domain !== undefined && session.kind === 'key' && domain !== session.domain) {
    return <OtherDomain domain={domain} session={session} />
  }
  if (section === 'files' && domain !== undefined) {
    return rest === undefined ? (
      <Files key={domain} domain={domain} />
    ) : (
      <FilePage key={rest} domain={domain} id={rest} />
    )
  }
  if (section === 'domains') {
    return domain === undefined ? <Domains /> : <DomainPage key={domain} slug={domain} tab={rest ?? 'policy'} />
  }
  return (
    <Empty title="There is no such page">
      <a href={hrefTo([])}>To the start</a>
    </Empty>
  )
}
