import type { FunctionComponent } from 'preact'
import { ask, at, type Domain } from '../../administration.ts'
import { Empty } from '../../parts/empty.tsx'
import { Loading } from '../../parts/loading.tsx'
import { ErrorNotice, Notice } from '../../parts/notice.tsx'
import { PageHead } from '../../parts/page-head.tsx'
import { Tabs } from '../../parts/tabs.tsx'
import { Time } from '../../parts/time.tsx'
import { useLoaded } from '../../parts/use-loaded.ts'
import { hrefTo } from '../../router.ts'
import { requireSession } from '../../session.ts'
import { DeadLetters } from './dead-letters.tsx'
import { DomainActions } from './domain-actions.tsx'
import { Hostnames } from './hostnames.tsx'
import { Keys } from './keys/keys.tsx'
import { PolicyForm } from './policy/policy.tsx'
import type { TabProps } from './tab.ts'
import { UsagePanels } from './usage/usage.tsx'
import { Webhooks } from './webhooks/webhooks.tsx'
import './domain.css'

interface DomainTab {
  name: string
  label: string
  Content: FunctionComponent<TabProps>
  /** Whether only the administrator has it. */
  isAdministrators?: true
}

const domainTabs: readonly DomainTab[] = [
  { name: 'policy', label: 'Policy', Content: PolicyForm },
  { name: 'hostnames', label: 'Hostnames', Content: Hostnames },
  { name: 'keys', label: 'Keys', Content: Keys },
  { name: 'webhooks', label: 'Webhooks', Content: Webhooks },
  { name: 'usage', label: 'Usage', Content: UsagePanels },
  { name: 'dead-letters', label: 'Dead letters', Content: DeadLetters, isAdministrators: true },
]

/** One domain, for the administrator and for its manager; each tab has an address of its own. */
export function DomainPage({ slug, tab }: { slug: string; tab: string }) {
  const isAdministrator = requireSession().kind === 'administrator'
  const { value: domain, error, reload } = useLoaded((signal) => ask<Domain>(at(slug), { signal }), [slug])
  const shown = domainTabs.filter(({ isAdministrators }) => isAdministrator || !isAdministrators)
  const found = shown.find(({ name }) => name === tab)
  return (
    <div class="stack">
      <PageHead title={slug} {...(isAdministrator ? { back: { href: hrefTo(['domains']), label: 'Domains' } } : {})}>
        {domain && isAdministrator && <DomainActions domain={domain} reload={reload} />}
      </PageHead>
      <ErrorNotice error={error} />
      {domain?.deletedAt && (
        <Notice look="bad">
          <span>
            This domain was deleted on <Time at={domain.deletedAt} />: it is closed, and its files will be removed.
          </span>
        </Notice>
      )}
      {domain?.suspendedAt && !domain.deletedAt && (
        <Notice look="warn">
          <span>
            Suspended since <Time at={domain.suspendedAt} />: files are read, and none is taken.
          </span>
        </Notice>
      )}
      <Tabs
        label="Domain"
        tabs={shown.map(({ name, label }) => ({ name, label, href: hrefTo(['domains', slug, name]) }))}
        current={tab}
      />
      {!found && <Empty title="There is no such page" />}
      {found && domain && <found.Content key={tab} domain={domain} reload={reload} />}
      {found && !domain && !error && <Loading what="the domain" />}
    </div>
  )
}
