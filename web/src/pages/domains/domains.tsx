import { useEffect, useState } from 'preact/hooks'
import { askPage, type DeadLetter, type Domain } from '../../administration.ts'
import { Button } from '../../parts/button.tsx'
import { Empty } from '../../parts/empty.tsx'
import { Listed } from '../../parts/listed.tsx'
import { Loading } from '../../parts/loading.tsx'
import { PageHead } from '../../parts/page-head.tsx'
import { Tabs } from '../../parts/tabs.tsx'
import { useLoaded } from '../../parts/use-loaded.ts'
import { usePages } from '../../parts/use-pages.ts'
import { goTo, hrefTo, place } from '../../router.ts'
import { requireSession } from '../../session.ts'
import { DomainTable } from './domain-table.tsx'
import { NewDomain } from './new-domain.tsx'
import './domains.css'

const tabs = [
  { name: 'open', label: 'Open', href: hrefTo(['domains']) },
  { name: 'deleted', label: 'Deleted', href: hrefTo(['domains'], { deleted: 'true' }) },
]

/** All domains of the deployment, for the administrator; a manager is led to the one that he manages. */
export function Domains() {
  const { kind, domain } = requireSession()
  useEffect(() => {
    if (kind !== 'administrator' && domain !== null) goTo(hrefTo(['domains', domain]), { replace: true })
  }, [kind, domain])
  return kind === 'administrator' ? <AllDomains /> : <Loading what="the domain" />
}

function AllDomains() {
  const areDeleted = place.value.query.get('deleted') === 'true'
  const [isMaking, setMaking] = useState(false)
  const domains = usePages<Domain>(
    (cursor, signal) => askPage('/v1/domains', 'domains', { query: { deleted: String(areDeleted) }, cursor, signal }),
    [areDeleted],
  )
  const { value: letters = [] } = useLoaded(loadLetters, [])
  return (
    <div class="stack">
      <PageHead title="Domains" about="The tenants of this deployment: each with its policy, its keys and its files.">
        <Button look="primary" onClick={() => setMaking(true)}>
          New domain
        </Button>
      </PageHead>
      <Tabs label="Which domains" tabs={tabs} current={areDeleted ? 'deleted' : 'open'} />
      <section class="panel" aria-label="Domains" key={String(areDeleted)}>
        <Listed
          what="domains"
          pages={domains}
          empty={
            areDeleted ? (
              <Empty title="No domain can be restored">
                A deleted domain waits here for some days before it is gone.
              </Empty>
            ) : (
              <Empty title="There is no domain yet">
                <p>A domain is a tenant: make one, and give it a key.</p>
                <Button look="primary" onClick={() => setMaking(true)}>
                  New domain
                </Button>
              </Empty>
            )
          }
        >
          {(items) => <DomainTable domains={items} letters={letters} onRestored={domains.reload} />}
        </Listed>
      </section>
      {isMaking && <NewDomain onClose={() => setMaking(false)} />}
    </div>
  )
}

/** The newest hundred: enough to say where there is something to look at. */
async function loadLetters(signal: AbortSignal): Promise<DeadLetter[]> {
  return (await askPage<DeadLetter>('/v1/admin/dead-letters', 'deadLetters', { query: { limit: 100 }, signal })).items
}
