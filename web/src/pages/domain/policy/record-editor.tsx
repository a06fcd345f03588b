import { useState } from 'preact/hooks'
import type { Schema } from '../../../description.ts'
import { Button } from '../../../parts/button.tsx'
import { Field } from '../../../parts/field.tsx'
import type { Edit, EditorProps } from './editor.ts'
import { Group } from './group.tsx'
import { startOf } from './kinds.ts'
import { Members } from './members.tsx'

type Item = Readonly<Record<string, unknown>>

/** Objects by keys of the domain's own, such as what its metadata must hold. */
export function RecordEditor({
  name,
  path,
  schema,
  value,
  onChange,
  problems,
  note,
  edit,
}: EditorProps & { edit: Edit }) {
  const entries = Object.entries((value ?? {}) as Readonly<Record<string, Item>>)
  const itemSchema = schema.additionalProperties as Schema
  const [key, setKey] = useState('')
  const isTaken = entries.some(([it]) => it === key)
  const add = () => {
    if (key === '' || isTaken) return
    onChange(Object.fromEntries([...entries, [key, startOf(itemSchema)]]))
    setKey('')
  }
  const change = (changed: string, item: Item) =>
    onChange(Object.fromEntries(entries.map(([it, before]) => [it, it === changed ? item : before])))
  return (
    <Group name={name} schema={schema} note={note}>
      <ul class="group-items">
        {entries.map(([it, item]) => (
          <li key={it} class="group-item">
            <div class="row spread">
              <code>{it}</code>
              <Button
                compact
                look="quiet"
                onClick={() => onChange(Object.fromEntries(entries.filter(([other]) => other !== it)))}
              >
                Remove<span class="unseen"> {it}</span>
              </Button>
            </div>
            <Members
              schema={itemSchema}
              value={item}
              path={`${path}.${it}`}
              onChange={(changed) => change(it, changed as Item)}
              problems={problems}
              edit={edit}
            />
          </li>
        ))}
      </ul>
      <Field label="New key" error={isTaken ? 'There is a key of this name already.' : problems.get(path)}>
        {(control) => (
          <span class="number">
            <input
              {...control}
              class="input"
              autocomplete="off"
              autocapitalize="none"
              spellcheck={false}
              maxLength={100}
              value={key}
              onInput={(event) => setKey(event.currentTarget.value)}
              onKeyDown={(event) => {
                if (event.key !== 'Enter') return
                event.preventDefault()
                add()
              }}
            />
            <Button disabled={key === '' || isTaken} onClick={add}>
              Add key
            </Button>
          </span>
        )}
      </Field>
    </Group>
  )
}
