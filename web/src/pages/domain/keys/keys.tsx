import { useState } from 'preact/hooks'
import { type ApiKey, askPage, at, tell } from '../../../administration.ts'
import { Button } from '../../../parts/button.tsx'
import { Confirmation } from '../../../parts/dialog.tsx'
import { Empty } from '../../../parts/empty.tsx'
import { Listed } from '../../../parts/listed.tsx'
import { Panel } from '../../../parts/panel.tsx'
import { SecretDialog } from '../../../parts/secret-dialog.tsx'
import { usePages } from '../../../parts/use-pages.ts'
import type { TabProps } from '../tab.ts'
import { KeyTable } from './key-table.tsx'
import { NewKey } from './new-key.tsx'

/** The domain’s keys. */
export function Keys({ domain: { slug } }: TabProps) {
  const keys = usePages<ApiKey>((cursor, signal) => askPage(at(slug, 'keys'), 'keys', { cursor, signal }), [slug])
  const [isMaking, setMaking] = useState(false)
  const [made, setMade] = useState<string | null>(null)
  const [revoked, setRevoked] = useState<ApiKey | null>(null)
  const newKey = (
    <Button look="primary" onClick={() => setMaking(true)}>
      New key
    </Button>
  )
  return (
    <Panel
      title="Keys"
      about="For servers and scripts. A browser gets an upload token, which a key makes."
      actions={newKey}
    >
      <Listed
        what="keys"
        pages={keys}
        empty={<Empty title="No keys yet">Make one for each application, so that one can be revoked alone.</Empty>}
      >
        {(items) => <KeyTable keys={items} onRevoke={setRevoked} />}
      </Listed>
      {isMaking && (
        <NewKey
          slug={slug}
          onMade={(key) => {
            setMaking(false)
            setMade(key)
            keys.reload()
          }}
          onClose={() => setMaking(false)}
        />
      )}
      {made && (
        <SecretDialog title="The new key" secret={made} what="the key" onClose={() => setMade(null)}>
          <p class="soft small">
            Send it as <code>Authorization: Bearer …</code>
          </p>
        </SecretDialog>
      )}
      {revoked && (
        <Confirmation
          title={`Revoke ${nameOf(revoked)}?`}
          action="Revoke"
          onConfirm={async () => {
            await tell('DELETE', at(slug, 'keys', revoked.id))
            keys.reload()
          }}
          onClose={() => setRevoked(null)}
        >
          Whoever uses it is refused from then on. It can’t be taken back; make a new key instead.
        </Confirmation>
      )}
    </Panel>
  )
}

function nameOf({ label, id }: ApiKey): string {
  return label ? `“${label}”` : `the key ${id}`
}
