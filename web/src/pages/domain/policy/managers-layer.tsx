import { useState } from 'preact/hooks'
import { at, type Domain, tell } from '../../../administration.ts'
import { Button } from '../../../parts/button.tsx'
import { Confirmation } from '../../../parts/dialog.tsx'
import { labelOf } from './kinds.ts'
import type { Author } from './layers.tsx'

interface ManagersLayerProps {
  domain: Domain
  author: Author
  /** Gets the domain as it is then. */
  onDropped: (domain: Domain) => void
}

/** Says how the two layers of a policy come together here, and takes the manager's back. */
export function ManagersLayer({ domain: { slug, managerPolicy }, author, onDropped }: ManagersLayerProps) {
  const [isDropping, setDropping] = useState(false)
  const fields = Object.keys(managerPolicy)
  const list = fields.map(labelOf).join(', ')
  const isOwn = author === 'manager'
  return (
    <div class="row spread policy-layers">
      <p class="soft">
        {isOwn
          ? 'You see what is in force. You may be stricter than what the administrator allows, and no more open.'
          : 'You set the outer bound. The domain’s manager may be stricter, and the narrower of both is in force.'}
        {fields.length > 0 && ` Set by ${isOwn ? 'you' : 'the manager'}: ${list}.`}
      </p>
      {fields.length > 0 && (
        <Button compact onClick={() => setDropping(true)}>
          {isOwn ? 'Drop your settings' : 'Drop the manager’s settings'}
        </Button>
      )}
      {isDropping && (
        <Confirmation
          title={isOwn ? 'Drop your settings?' : 'Drop the manager’s settings?'}
          action="Drop"
          onConfirm={async () => onDropped(await tell<Domain>('PATCH', at(slug), { managerPolicy: null }))}
          onClose={() => setDropping(false)}
        >
          What the administrator allows is in force from then on: {list}.
        </Confirmation>
      )}
    </div>
  )
}
