import { useState } from 'preact/hooks'
import { at, tell, type WebhookEndpoint } from '../../../administration.ts'
import { Button } from '../../../parts/button.tsx'
import { Confirmation } from '../../../parts/dialog.tsx'
import { ErrorNotice, Notice } from '../../../parts/notice.tsx'
import { Time } from '../../../parts/time.tsx'
import { useAction } from '../../../parts/use-action.ts'
import { EndpointForm } from './endpoint-form.tsx'

interface EndpointEntryProps {
  slug: string
  endpoint: WebhookEndpoint
  onChanged: () => void
  onSecret: (secret: string) => void
  /** A test was sent. */
  onSent: () => void
}

/** One endpoint, with what can be done with it. */
export function EndpointEntry({ slug, endpoint, onChanged, onSecret, onSent }: EndpointEntryProps) {
  const { id, url, events, description, enabled } = endpoint
  const [asked, setAsked] = useState<'change' | 'rotate' | 'delete' | null>(null)
  const [isTested, setTested] = useState(false)
  const { isBusy, error, start } = useAction()
  const path = at(slug, 'webhooks', id)
  const close = () => setAsked(null)
  const test = async () => {
    await tell('POST', `${path}/test`)
    setTested(true)
    onSent()
  }
  const enable = async () => {
    await tell('PATCH', path, { enabled: !enabled })
    onChanged()
  }
  return (
    <li class="entry">
      <div class="row">
        <strong class="entry-name">{url}</strong>
        <EndpointState endpoint={endpoint} />
      </div>
      {description && <p>{description}</p>}
      <div class="tags">
        {events.map((event) => (
          <code key={event} class="tag">
            {event}
          </code>
        ))}
      </div>
      {endpoint.previousSecretUntil && Date.parse(endpoint.previousSecretUntil) > Date.now() && (
        <p class="soft small">
          The secret before the present one signs as well until <Time at={endpoint.previousSecretUntil} />.
        </p>
      )}
      <div class="row">
        <Button compact disabled={isBusy || !enabled} onClick={() => start(test)}>
          Send a test
        </Button>
        <Button compact onClick={() => setAsked('change')}>
          Change
        </Button>
        <Button compact disabled={isBusy} onClick={() => start(enable)}>
          {enabled ? 'Pause' : 'Resume'}
        </Button>
        <Button compact onClick={() => setAsked('rotate')}>
          New secret
        </Button>
        <Button compact look="danger" onClick={() => setAsked('delete')}>
          Delete
        </Button>
      </div>
      {isTested && <Notice>A test is on its way. What becomes of it is shown below.</Notice>}
      <ErrorNotice error={error} />
      {asked === 'change' && (
        <EndpointForm
          slug={slug}
          endpoint={endpoint}
          onDone={() => {
            close()
            onChanged()
          }}
          onClose={close}
        />
      )}
      {asked === 'rotate' && (
        <Confirmation
          title="Give it a new secret?"
          action="Make a new secret"
          onConfirm={async () => {
            const { secret } = await tell<{ secret: string }>('POST', `${path}/rotate-secret`)
            onSecret(secret)
          }}
          onClose={close}
        >
          For 24 hours every message is signed with both, so that your application can change over.
        </Confirmation>
      )}
      {asked === 'delete' && (
        <Confirmation
          title="Delete this endpoint?"
          action="Delete"
          onConfirm={async () => {
            await tell('DELETE', path)
            onChanged()
          }}
          onClose={close}
        >
          Nothing is sent to {url} any more, also of what has already happened.
        </Confirmation>
      )}
    </li>
  )
}

function EndpointState({ endpoint: { enabled, disabledReason, failingSince } }: { endpoint: WebhookEndpoint }) {
  if (!enabled) {
    if (disabledReason === 'gone') return <span class="badge bad">Stopped: it answered 410</span>
    if (disabledReason === 'failing') return <span class="badge bad">Stopped: it did nothing but fail</span>
    return <span class="badge">Paused</span>
  }
  if (failingSince === null) return <span class="badge good">Active</span>
  return (
    <span class="badge warn">
      Failing since <Time at={failingSince} />
    </span>
  )
}
