import type { FunctionComponent } from 'preact'
import { Empty } from '../../parts/empty.tsx'
import { PageHead } from '../../parts/page-head.tsx'
import { Tabs } from '../../parts/tabs.tsx'
import { hrefTo } from '../../router.ts'
import { requireSession } from '../../session.ts'
import { DeadLetters } from './dead-letters.tsx'
import { Hostnames } from './hostnames.tsx'
import { Keys } from './keys.tsx'
import { PolicyForm } from './policy.tsx'
import { Usage } from './usage.tsx'
import { Webhooks } from './webhooks.tsx'

interface DomainTab {
  name: string
  label: string
  Content: FunctionComponent<{ slug: string }>
  /** Whether only the administrator has it. */
  isAdministrators?: true
}

const domainTabs: readonly DomainTab[] = [
  { name: 'policy', label: 'Policy', Content: PolicyForm },
  { name: 'hostnames', label: 'Hostnames', Content: Hostnames },
  { name: 'keys', label: 'Keys', Content: Keys },
  { name: 'webhooks', label: 'Webhooks', Content: Webhooks },
  { name: 'usage', label: 'Usage', Content: Usage },
  { name: 'dead-letters', label: 'Dead letters', Content: DeadLetters, isAdministrators: true },
]

/** One domain, for the administrator and for its manager; each tab has an address of its own. */
export function DomainPage({ slug, tab }: { slug: string; tab: string }) {
  const isAdministrator = requireSession().kind === 'administrator'
  const shown = domainTabs.filter(({ isAdministrators }) => isAdministrator || !isAdministrators)
  const found = shown.find(({ name }) => name === tab)
  return (
    <div class="stack">
      <PageHead title={slug} {...(isAdministrator ? { back: { href: hrefTo(['domains']), label: 'Domains' } } : {})} />
      <Tabs
        label="Domain"
        tabs={shown.map(({ name, label }) => ({ name, label, href: hrefTo(['domains', slug, name]) }))}
        current={tab}
      />
      {found ? <found.Content slug={slug} /> : <Empty title="There is no such page" />}
    </div>
  )
}
