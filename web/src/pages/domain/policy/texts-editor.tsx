import { useRef, useState } from 'preact/hooks'
import { Button } from '../../../parts/button.tsx'
import { Field } from '../../../parts/field.tsx'
import { type EditorProps, problemWithin } from './editor.ts'
import { Hint } from './hint.tsx'
import { isNullable, labelOf } from './kinds.ts'

/** A list of words: each is entered and stands then as something to remove. */
export function TextsEditor({ name, path, schema, value, onChange, problems, note }: EditorProps) {
  const texts = (value ?? []) as readonly string[]
  const [text, setText] = useState('')
  const input = useRef<HTMLInputElement>(null)
  const change = (next: readonly string[]) => onChange(next.length === 0 && isNullable(schema) ? null : next)
  const add = () => {
    // A list that was copied from elsewhere comes in at once.
    const added = text.split(/[\s,]+/).filter((it) => it !== '' && !texts.includes(it))
    setText('')
    if (added.length > 0) change([...texts, ...new Set(added)])
  }
  const remove = (removed: string) => {
    change(texts.filter((it) => it !== removed))
    input.current?.focus()
  }
  return (
    <Field
      label={labelOf(name)}
      hint={<Hint name={name} schema={schema} note={note} />}
      error={problemWithin(problems, path, value)}
    >
      {(control) => (
        <>
          <span class="number">
            <input
              {...control}
              class="input"
              ref={input}
              autocomplete="off"
              autocapitalize="none"
              spellcheck={false}
              placeholder="Add …"
              value={text}
              onInput={(event) => setText(event.currentTarget.value)}
              onKeyDown={(event) => {
                if (event.key !== 'Enter') return
                // Enter adds here, and does not send the form.
                event.preventDefault()
                add()
              }}
              onBlur={add}
            />
            <Button onClick={add} aria-label={`Add to ${labelOf(name)}`}>
              Add
            </Button>
          </span>
          {texts.length > 0 && (
            <ul class="chips" aria-label={labelOf(name)}>
              {texts.map((it) => (
                <li key={it} class="chip">
                  <code>{it}</code>
                  <button type="button" aria-label={`Remove ${it}`} onClick={() => remove(it)}>
                    <span aria-hidden="true">×</span>
                  </button>
                </li>
              ))}
            </ul>
          )}
        </>
      )}
    </Field>
  )
}
