import { call } from '../api.ts'
import { goTo, hrefTo } from '../router.ts'
import { useLoaded } from './use-loaded.ts'

interface DomainPageAnswer {
  domains: { slug: string }[]
  nextCursor: string | null
}

/** The administrator's choice of the domain whose files are shown. */
export function DomainChoice({ chosen }: { chosen: string | null }) {
  const { value: slugs = [] } = useLoaded(loadSlugs, [chosen])
  const all = chosen === null || slugs.includes(chosen) ? slugs : [chosen, ...slugs]
  return (
    <select
      class="select"
      aria-label="Domain"
      value={chosen ?? ''}
      onChange={(event) => goTo(hrefTo(['files', event.currentTarget.value]))}
    >
      {chosen === null && <option value="">Choose a domain</option>}
      {all.map((slug) => (
        <option key={slug} value={slug}>
          {slug}
        </option>
      ))}
    </select>
  )
}

/** The first hundred: who has more opens them from the list of domains. */
async function loadSlugs(signal: AbortSignal): Promise<string[]> {
  const page = await call<DomainPageAnswer>('GET', '/v1/domains', { query: { limit: 100 }, signal })
  return page.domains.map(({ slug }) => slug)
}
