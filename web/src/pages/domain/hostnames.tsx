import { useState } from 'preact/hooks'
import { at, type Hostname, problemsOf, tell } from '../../administration.ts'
import { messageOf } from '../../api.ts'
import { domainHost } from '../../domain-host.ts'
import { Button } from '../../parts/button.tsx'
import { CopyButton } from '../../parts/copy-button.tsx'
import { Confirmation } from '../../parts/dialog.tsx'
import { Empty } from '../../parts/empty.tsx'
import { Field } from '../../parts/field.tsx'
import { ErrorNotice } from '../../parts/notice.tsx'
import { Panel } from '../../parts/panel.tsx'
import { useAction } from '../../parts/use-action.ts'
import { requireSession } from '../../session.ts'
import type { TabProps } from './tab.ts'

/** The hostnames that lead to the domain. */
export function Hostnames({ domain, reload }: TabProps) {
  const { slug, hostnames } = domain
  const ownHost = domainHost(slug, location.host)
  return (
    <Panel
      title="Hostnames"
      about={
        ownHost === null ? (
          <>
            These lead to the domain. At <code>{location.host}</code>, requests name it in <code>X-Upload-Domain</code>.
          </>
        ) : (
          <>
            The domain is always served at <code>{ownHost}</code>. These lead to it as well.
          </>
        )
      }
    >
      <AddHostname slug={slug} onAdded={reload} />
      {hostnames.length === 0 ? (
        <Empty title="No hostname of its own yet">Add one, and point it at this deployment.</Empty>
      ) : (
        <ul class="entries">
          {hostnames.map((hostname) => (
            <HostnameEntry key={hostname.hostname} slug={slug} hostname={hostname} reload={reload} />
          ))}
        </ul>
      )}
    </Panel>
  )
}

function AddHostname({ slug, onAdded }: { slug: string; onAdded: () => void }) {
  const [hostname, setHostname] = useState('')
  const { isBusy, error, start } = useAction()
  const add = async () => {
    await tell('POST', at(slug, 'hostnames'), { hostname })
    setHostname('')
    onAdded()
  }
  return (
    <form
      class="entry-form"
      onSubmit={(event) => {
        event.preventDefault()
        start(add)
      }}
    >
      <Field
        label="Hostname"
        hint="Such as files.example.com; an international name in punycode."
        error={error ? (problemsOf(error).get('hostname') ?? messageOf(error)) : null}
      >
        {(control) => (
          <input
            {...control}
            class="input"
            required
            autocomplete="off"
            autocapitalize="none"
            spellcheck={false}
            value={hostname}
            onInput={(event) => setHostname(event.currentTarget.value)}
          />
        )}
      </Field>
      <Button type="submit" disabled={isBusy}>
        Add
      </Button>
    </form>
  )
}

interface HostnameEntryProps {
  slug: string
  hostname: Hostname
  reload: () => void
}

function HostnameEntry({ slug, hostname: { hostname, status, record }, reload }: HostnameEntryProps) {
  const isAdministrator = requireSession().kind === 'administrator'
  const [isRemoving, setRemoving] = useState(false)
  const { isBusy, error, start } = useAction()
  const verify = async () => {
    await tell('POST', at(slug, 'hostnames', hostname, 'verify'))
    reload()
  }
  return (
    <li class="entry">
      <div class="row spread">
        <span class="row">
          <strong class="entry-name">{hostname}</strong>
          {status === 'active' ? (
            <span class="badge good">Active</span>
          ) : (
            <span class="badge warn">Not proved yet</span>
          )}
        </span>
        <span class="row">
          {status === 'pending' && (
            <Button compact look="primary" disabled={isBusy} onClick={() => start(verify)}>
              {isAdministrator ? 'Confirm' : 'Check'}
              <span class="unseen"> {hostname}</span>
            </Button>
          )}
          <Button compact look="quiet" onClick={() => setRemoving(true)}>
            Remove<span class="unseen"> {hostname}</span>
          </Button>
        </span>
      </div>
      {status === 'pending' && (
        <>
          <p class="soft small">
            To prove that the name is yours, set this TXT record where its DNS is kept, then have it checked.
            {isAdministrator && ' Your word as the administrator is enough without it.'}
          </p>
          <dl class="record">
            <dt>Name</dt>
            <dd>
              <code>{record.name}</code>
              <CopyButton text={record.name} what={`the record’s name for ${hostname}`} />
            </dd>
            <dt>Value</dt>
            <dd>
              <code>{record.value}</code>
              <CopyButton text={record.value} what={`the record’s value for ${hostname}`} />
            </dd>
          </dl>
        </>
      )}
      <ErrorNotice error={error} />
      {isRemoving && (
        <Confirmation
          title={`Remove ${hostname}?`}
          action="Remove"
          onConfirm={async () => {
            await tell('DELETE', at(slug, 'hostnames', hostname))
            reload()
          }}
          onClose={() => setRemoving(false)}
        >
          It no longer leads to {slug}. What is uploaded stays.
        </Confirmation>
      )}
    </li>
  )
}
