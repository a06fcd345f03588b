import { useState } from 'preact/hooks'
import { ask, at, type WebhookEndpoint } from '../../../administration.ts'
import { Button } from '../../../parts/button.tsx'
import { Empty } from '../../../parts/empty.tsx'
import { Listed } from '../../../parts/listed.tsx'
import { Panel } from '../../../parts/panel.tsx'
import { SecretDialog } from '../../../parts/secret-dialog.tsx'
import { useLoaded } from '../../../parts/use-loaded.ts'
import type { TabProps } from '../tab.ts'
import { CallbackSecretPanel } from './callback-secret.tsx'
import { Deliveries } from './deliveries.tsx'
import { EndpointEntry } from './endpoint-entry.tsx'
import { EndpointForm } from './endpoint-form.tsx'
import './webhooks.css'

/** Who is told what happens, and what was told. */
export function Webhooks({ domain: { slug } }: TabProps) {
  const { value, error, reload } = useLoaded(
    (signal) => ask<{ endpoints: WebhookEndpoint[] }>(at(slug, 'webhooks'), { signal }),
    [slug],
  )
  const [isAdding, setAdding] = useState(false)
  const [secret, setSecret] = useState<string | null>(null)
  /** Counts what was sent from this page, which the list below is to show. */
  const [sent, setSent] = useState(0)
  const takeSecret = (fresh: string) => {
    setSecret(fresh)
    reload()
  }
  const newEndpoint = (
    <Button look="primary" onClick={() => setAdding(true)}>
      New endpoint
    </Button>
  )
  return (
    <div class="stack">
      <Panel
        title="Endpoints"
        about="Each is told by a signed request what becomes of the domain’s uploads."
        actions={newEndpoint}
      >
        <Listed
          what="endpoints"
          pages={{ items: value?.endpoints, error }}
          empty={<Empty title="Nobody is told yet">Add the address of your application.</Empty>}
        >
          {(endpoints) => (
            <ul class="entries">
              {endpoints.map((endpoint) => (
                <EndpointEntry
                  key={endpoint.id}
                  slug={slug}
                  endpoint={endpoint}
                  onChanged={reload}
                  onSecret={takeSecret}
                  onSent={() => setSent((before) => before + 1)}
                />
              ))}
            </ul>
          )}
        </Listed>
      </Panel>
      <Deliveries slug={slug} endpoints={value?.endpoints ?? []} sent={sent} />
      <CallbackSecretPanel slug={slug} onSecret={takeSecret} />
      {isAdding && (
        <EndpointForm
          slug={slug}
          onDone={({ secret }) => {
            setAdding(false)
            takeSecret(secret ?? '')
          }}
          onClose={() => setAdding(false)}
        />
      )}
      {secret && (
        <SecretDialog title="The signing secret" secret={secret} what="the secret" onClose={() => setSecret(null)}>
          <p class="soft small">Your application verifies with it that a message is from here (Standard Webhooks).</p>
        </SecretDialog>
      )}
    </div>
  )
}
