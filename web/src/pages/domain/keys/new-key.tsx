import { useState } from 'preact/hooks'
import { at, scopes, tell } from '../../../administration.ts'
import type { Scope } from '../../../api.ts'
import { Field } from '../../../parts/field.tsx'
import { FormDialog } from '../../../parts/form-dialog.tsx'

const hints: Record<Scope, string> = {
  upload: 'send files, and make upload tokens',
  read: 'read files, their status, and make links',
  delete: 'delete files',
  manage: 'manage the domain: its policy, keys, hostnames and webhooks',
}

const lifetimes = [
  { days: null, label: 'Never' },
  { days: 30, label: 'After 30 days' },
  { days: 90, label: 'After 90 days' },
  { days: 365, label: 'After a year' },
]

interface NewKeyProps {
  slug: string
  /** Gets the key itself, which is told this once. */
  onMade: (key: string) => void
  onClose: () => void
}

export function NewKey({ slug, onMade, onClose }: NewKeyProps) {
  const [label, setLabel] = useState('')
  const [chosen, setChosen] = useState<readonly Scope[]>(['upload', 'read'])
  const [lifetime, setLifetime] = useState(0)
  const make = async () => {
    const days = lifetimes[lifetime]?.days ?? null
    const expiresAt = days === null ? null : new Date(Date.now() + days * 24 * 3600 * 1000).toISOString()
    const { key } = await tell<{ key: string }>('POST', at(slug, 'keys'), { label, scopes: chosen, expiresAt })
    onMade(key)
  }
  const choose = (scope: Scope, isChosen: boolean) =>
    setChosen(scopes.filter((it) => (it === scope ? isChosen : chosen.includes(it))))
  return (
    <FormDialog
      title="New key"
      action="Make key"
      fields={['label', 'scopes', 'expiresAt']}
      onSubmit={make}
      onClose={onClose}
    >
      {(problems) => (
        <>
          <Field label="Label" hint="What it is for, such as “shop, production”." error={problems.get('label')}>
            {(control) => (
              <input
                {...control}
                class="input"
                maxLength={100}
                autocomplete="off"
                value={label}
                onInput={(event) => setLabel(event.currentTarget.value)}
              />
            )}
          </Field>
          <fieldset class="choices">
            <legend class="field-label">It may</legend>
            {scopes.map((scope) => (
              <label key={scope} class="checkbox">
                <input
                  type="checkbox"
                  checked={chosen.includes(scope)}
                  onChange={(event) => choose(scope, event.currentTarget.checked)}
                />
                <span>
                  <strong>{scope}</strong> <span class="soft">{hints[scope]}</span>
                </span>
              </label>
            ))}
            {problems.has('scopes') && (
              <span class="field-error" role="alert">
                Choose at least one thing that it may do.
              </span>
            )}
          </fieldset>
          <Field label="Expires" error={problems.get('expiresAt')}>
            {(control) => (
              <select
                {...control}
                class="select"
                value={lifetime}
                onChange={(event) => setLifetime(Number(event.currentTarget.value))}
              >
                {lifetimes.map(({ label }, index) => (
                  <option key={label} value={index}>
                    {label}
                  </option>
                ))}
              </select>
            )}
          </Field>
        </>
      )}
    </FormDialog>
  )
}
