import { useState } from 'preact/hooks'
import { at, tell, type WebhookEndpoint } from '../../../administration.ts'
import { describe } from '../../../description.ts'
import { Field } from '../../../parts/field.tsx'
import { FormDialog } from '../../../parts/form-dialog.tsx'
import { useLoaded } from '../../../parts/use-loaded.ts'

/** What an endpoint is told unless somebody chooses. */
const usualEvents = ['upload.complete', 'upload.failed', 'upload.quarantined']

interface EndpointFormProps {
  slug: string
  /** The one to change; without it, a new one is made. */
  endpoint?: WebhookEndpoint
  /** A new one comes with its secret, which is told this once. */
  onDone: (endpoint: WebhookEndpoint & { secret?: string }) => void
  onClose: () => void
}

export function EndpointForm({ slug, endpoint, onDone, onClose }: EndpointFormProps) {
  const [url, setUrl] = useState(endpoint?.url ?? '')
  const [description, setDescription] = useState(endpoint?.description ?? '')
  const [events, setEvents] = useState<readonly string[]>(endpoint?.events ?? usualEvents)
  const { value: known = events } = useLoaded(loadEvents, [])
  const submit = async () => {
    const wanted = { url, description, events: known.filter((event) => events.includes(event)) }
    onDone(
      endpoint
        ? await tell('PATCH', at(slug, 'webhooks', endpoint.id), wanted)
        : await tell('POST', at(slug, 'webhooks'), wanted),
    )
  }
  const choose = (event: string, isChosen: boolean) =>
    setEvents(isChosen ? [...events, event] : events.filter((it) => it !== event))
  return (
    <FormDialog
      title={endpoint ? 'Change the endpoint' : 'New endpoint'}
      action={endpoint ? 'Save' : 'Add endpoint'}
      fields={['url', 'description', 'events']}
      onSubmit={submit}
      onClose={onClose}
    >
      {(problems) => (
        <>
          <Field label="Address" hint="https, and a public host." error={problems.get('url')}>
            {(control) => (
              <input
                {...control}
                class="input"
                type="url"
                required
                autocomplete="off"
                placeholder="https://app.example.com/webhooks"
                value={url}
                onInput={(event) => setUrl(event.currentTarget.value)}
              />
            )}
          </Field>
          <Field label="Description" error={problems.get('description')}>
            {(control) => (
              <input
                {...control}
                class="input"
                maxLength={200}
                autocomplete="off"
                value={description}
                onInput={(event) => setDescription(event.currentTarget.value)}
              />
            )}
          </Field>
          <fieldset class="choices">
            <legend class="field-label">Is told of</legend>
            {known.map((event) => (
              <label key={event} class="checkbox">
                <input
                  type="checkbox"
                  checked={events.includes(event)}
                  onChange={(change) => choose(event, change.currentTarget.checked)}
                />
                <code>{event}</code>
              </label>
            ))}
            {problems.has('events') && (
              <span class="field-error" role="alert">
                Choose at least one event.
              </span>
            )}
          </fieldset>
        </>
      )}
    </FormDialog>
  )
}

async function loadEvents(): Promise<readonly string[]> {
  const { properties } = await describe('WebhookEndpoint')
  return properties?.events?.items?.enum ?? usualEvents
}
