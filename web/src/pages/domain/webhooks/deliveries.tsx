import { useEffect, useState } from 'preact/hooks'
import { askPage, at, type Delivery, type DeliveryStatus, type WebhookEndpoint } from '../../../administration.ts'
import { Button } from '../../../parts/button.tsx'
import { Empty } from '../../../parts/empty.tsx'
import { Listed } from '../../../parts/listed.tsx'
import { Panel } from '../../../parts/panel.tsx'
import { usePages } from '../../../parts/use-pages.ts'
import { DeliveryEntry } from './delivery-entry.tsx'

/** How long after an attempt is due the list is looked at again. */
const refreshMs = 1000

const statuses: { status: DeliveryStatus; label: string }[] = [
  { status: 'waiting', label: 'Waiting' },
  { status: 'delivered', label: 'Delivered' },
  { status: 'failed', label: 'Failed' },
  { status: 'cancelled', label: 'Cancelled' },
]

interface DeliveriesProps {
  slug: string
  endpoints: readonly WebhookEndpoint[]
  /** Changes when something was sent that the list is to show. */
  sent: number
}

/**
 * What was sent, or is to be. While something is about to be sent, the list follows it; not when further pages were
 * asked for, which it would fold back.
 */
export function Deliveries({ slug, endpoints, sent }: DeliveriesProps) {
  const [endpoint, setEndpoint] = useState('')
  const [status, setStatus] = useState('')
  const deliveries = usePages<Delivery>(
    (cursor, signal) =>
      askPage(at(slug, 'deliveries'), 'deliveries', { query: filled({ endpoint, status }), cursor, signal }),
    [slug, endpoint, status, sent],
  )
  const { items, pageCount, reload } = deliveries
  useEffect(() => {
    if (pageCount > 1 || !items?.some(isAboutToBeSent)) return
    const timer = setTimeout(reload, refreshMs)
    return () => clearTimeout(timer)
  }, [items])
  return (
    <Panel
      title="Deliveries"
      about="Newest first, also of uploads’ callbacks."
      actions={
        <>
          <select
            class="select"
            aria-label="Endpoint"
            value={endpoint}
            onChange={(event) => setEndpoint(event.currentTarget.value)}
          >
            <option value="">All endpoints</option>
            {endpoints.map(({ id, url }) => (
              <option key={id} value={id}>
                {url}
              </option>
            ))}
          </select>
          <select
            class="select"
            aria-label="Status"
            value={status}
            onChange={(event) => setStatus(event.currentTarget.value)}
          >
            <option value="">Any status</option>
            {statuses.map(({ status, label }) => (
              <option key={status} value={status}>
                {label}
              </option>
            ))}
          </select>
          <Button look="quiet" onClick={reload}>
            Refresh
          </Button>
        </>
      }
    >
      <Listed
        what="deliveries"
        pages={deliveries}
        empty={<Empty title="Nothing here">What is sent to an endpoint is listed here, with its answers.</Empty>}
      >
        {(items) => (
          <ul class="entries">
            {items.map((delivery) => (
              <DeliveryEntry
                key={delivery.id}
                slug={slug}
                delivery={delivery}
                to={delivery.callbackUrl ?? endpoints.find(({ id }) => id === delivery.endpointId)?.url ?? null}
                onSent={reload}
              />
            ))}
          </ul>
        )}
      </Listed>
    </Panel>
  )
}

function isAboutToBeSent({ status, nextAttemptAt }: Delivery): boolean {
  return status === 'waiting' && (nextAttemptAt === null || Date.parse(nextAttemptAt) < Date.now() + refreshMs)
}

/** Without what was left empty. */
function filled(query: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== ''))
}
