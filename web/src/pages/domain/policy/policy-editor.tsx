import { useEffect, useRef, useState } from 'preact/hooks'
import { at, type Domain, noProblems, type Policy, type Problems, problemsOf, tell } from '../../../administration.ts'
import type { Schema } from '../../../description.ts'
import { Button } from '../../../parts/button.tsx'
import { ErrorNotice, Notice } from '../../../parts/notice.tsx'
import { Panel } from '../../../parts/panel.tsx'
import { useAction } from '../../../parts/use-action.ts'
import { requireSession } from '../../../session.ts'
import type { TabProps } from '../tab.ts'
import { labelOf } from './kinds.ts'
import { type Author, isLocked, isSame, layerOf, noteOf } from './layers.tsx'
import { ManagersLayer } from './managers-layer.tsx'
import { sectionsOf } from './sections.ts'
import { ValueEditor } from './value-editor.tsx'

/** The form itself. Only what was changed is sent. */
export function PolicyEditor({ domain, reload, schema }: TabProps & { schema: Schema }) {
  const author: Author = requireSession().kind === 'administrator' ? 'administrator' : 'manager'
  const [saved, setSaved] = useState(() => layerOf(domain, author))
  const [draft, setDraft] = useState<Policy>(saved)
  /** Counts how often the form began anew, with other values in its fields. */
  const [round, setRound] = useState(0)
  const [isSaved, setIsSaved] = useState(false)
  const { isBusy, error, start } = useAction()
  const form = useRef<HTMLFormElement>(null)
  const problems = error ? problemsOf(error) : noProblems
  const changed = Object.keys(draft).filter((name) => !isSame(draft[name], saved[name]))

  useEffect(() => {
    if (error) form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus()
  }, [error])

  const begin = (policy: Policy) => {
    setSaved(policy)
    setDraft(policy)
    setRound((before) => before + 1)
  }
  const take = (answer: Domain) => {
    begin(layerOf(answer, author))
    setIsSaved(true)
    reload()
  }
  const save = async () => {
    const policy = Object.fromEntries(changed.map((name) => [name, draft[name]]))
    take(await tell<Domain>('PATCH', at(domain.slug), { policy }))
  }

  return (
    <form
      class="stack policy"
      ref={form}
      onSubmit={(event) => {
        event.preventDefault()
        start(save)
      }}
    >
      <ManagersLayer domain={domain} author={author} onDropped={take} />
      <div class="stack" key={round}>
        {sectionsOf(Object.keys(schema.properties ?? {})).map(({ title, fields }) => (
          <Panel key={title} title={title}>
            <div class="policy-fields">
              {fields.map((name) => {
                const field = schema.properties?.[name] ?? {}
                return (
                  <fieldset key={name} class="policy-field" disabled={isLocked(author, field)}>
                    <ValueEditor
                      name={name}
                      path={`policy.${name}`}
                      schema={field}
                      value={draft[name]}
                      onChange={(value) => {
                        setIsSaved(false)
                        setDraft((before) => ({ ...before, [name]: value }))
                      }}
                      problems={problems}
                      note={noteOf(domain, author, name, field)}
                    />
                  </fieldset>
                )
              })}
            </div>
          </Panel>
        ))}
      </div>
      <div class={`panel save-bar ${changed.length > 0 ? 'pending' : ''}`}>
        {problems.size > 0 ? <FieldsNotice problems={problems} /> : <ErrorNotice error={error} />}
        <div class="row spread">
          <span role="status" class="soft">
            {changed.length > 0
              ? changed.length === 1
                ? '1 change'
                : `${changed.length} changes`
              : isSaved
                ? 'Saved. It holds everywhere within 30 seconds.'
                : 'No changes'}
          </span>
          <span class="row">
            <Button look="quiet" disabled={changed.length === 0} onClick={() => begin(saved)}>
              Discard
            </Button>
            <Button look="primary" type="submit" disabled={isBusy || changed.length === 0}>
              Save
            </Button>
          </span>
        </div>
      </div>
    </form>
  )
}

/** Names the fields that the server has found something wrong with; each says what that is. */
function FieldsNotice({ problems }: { problems: Problems }) {
  const fields = new Set([...problems.keys()].map((place) => place.split('.')[1] ?? place))
  return <Notice look="bad">Nothing was saved. Please look at: {[...fields].map(labelOf).join(', ')}.</Notice>
}
