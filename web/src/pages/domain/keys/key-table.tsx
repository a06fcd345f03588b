import type { ApiKey } from '../../../administration.ts'
import { Button } from '../../../parts/button.tsx'
import { Time } from '../../../parts/time.tsx'

export function KeyTable({ keys, onRevoke }: { keys: readonly ApiKey[]; onRevoke: (key: ApiKey) => void }) {
  return (
    <table class="table cards">
      <thead>
        <tr>
          <th scope="col">Label</th>
          <th scope="col">May</th>
          <th scope="col">Made</th>
          <th scope="col">Expires</th>
          <th scope="col">Last used</th>
          <th scope="col" class="end">
            <span class="unseen">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {keys.map((key) => (
          <tr key={key.id}>
            <td data-label="Label">
              <span>
                <strong>{key.label || 'No label'}</strong>
                <span class="soft small key-id">{key.id}</span>
              </span>
            </td>
            <td data-label="May">
              <span class="tags">
                {key.scopes.map((scope) => (
                  <span key={scope} class="tag">
                    {scope}
                  </span>
                ))}
              </span>
            </td>
            <td data-label="Made" class="numeric soft">
              <Time at={key.createdAt} />
            </td>
            <td data-label="Expires" class="numeric">
              <Expiry at={key.expiresAt} />
            </td>
            <td data-label="Last used" class="numeric soft">
              {key.lastUsedAt === null ? 'Never' : <Time at={key.lastUsedAt} />}
            </td>
            <td class="end">
              <Button compact look="danger" onClick={() => onRevoke(key)}>
                Revoke<span class="unseen"> {key.label || key.id}</span>
              </Button>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Expiry({ at }: { at: string | null }) {
  if (at === null) return <span class="soft">Never</span>
  return Date.parse(at) <= Date.now() ? <span class="badge bad">Expired</span> : <Time at={at} />
}
