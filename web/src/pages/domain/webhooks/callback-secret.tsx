import { useState } from 'preact/hooks'
import { ask, at, type CallbackSecret, tell } from '../../../administration.ts'
import { Button } from '../../../parts/button.tsx'
import { Confirmation } from '../../../parts/dialog.tsx'
import { Loading } from '../../../parts/loading.tsx'
import { ErrorNotice } from '../../../parts/notice.tsx'
import { Panel } from '../../../parts/panel.tsx'
import { Time } from '../../../parts/time.tsx'
import { useLoaded } from '../../../parts/use-loaded.ts'

/** What the callbacks of single uploads are signed with. */
export function CallbackSecretPanel({ slug, onSecret }: { slug: string; onSecret: (secret: string) => void }) {
  const { value, error, reload } = useLoaded(
    (signal) => ask<CallbackSecret>(at(slug, 'callback-secret'), { signal }),
    [slug],
  )
  const [isRenewing, setRenewing] = useState(false)
  const renew = async () => {
    const { secret } = await tell<{ secret: string }>('POST', at(slug, 'callback-secret'))
    reload()
    onSecret(secret)
  }
  return (
    <Panel
      title="Callbacks of single uploads"
      about="An upload may name an address of its own that is told how it ends. All of them are signed with one secret."
      actions={<Button onClick={() => setRenewing(true)}>{value?.createdAt ? 'New secret' : 'Make the secret'}</Button>}
    >
      <div class="panel-body">
        <ErrorNotice error={error} />
        {!value && !error && <Loading what="the secret’s age" />}
        {value && (
          <p class="soft">
            {value.createdAt ? (
              <>
                Signed with a secret of <Time at={value.createdAt} whole />.
              </>
            ) : (
              'No secret was asked for yet.'
            )}
          </p>
        )}
      </div>
      {isRenewing && (
        <Confirmation
          title="Make a new secret?"
          action="Make a new secret"
          onConfirm={renew}
          onClose={() => setRenewing(false)}
        >
          For 24 hours callbacks are signed with the one before it as well.
        </Confirmation>
      )}
    </Panel>
  )
}
