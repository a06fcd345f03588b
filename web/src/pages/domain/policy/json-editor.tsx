import { useState } from 'preact/hooks'
import { Field } from '../../../parts/field.tsx'
import { type EditorProps, problemWithin } from './editor.ts'
import { Hint } from './hint.tsx'
import { labelOf } from './kinds.ts'

/** Anything, written down as JSON. The form is not sent while it is none. */
export function JsonEditor({ name, path, schema, value, onChange, problems, note }: EditorProps) {
  const [text, setText] = useState(value === undefined ? '' : JSON.stringify(value, null, 2))
  const [wrong, setWrong] = useState<string | null>(null)
  const change = (area: HTMLTextAreaElement) => {
    setText(area.value)
    const { json, message } = read(area.value)
    setWrong(message)
    area.setCustomValidity(message ?? '')
    if (message === null) onChange(json)
  }
  return (
    <Field
      label={labelOf(name)}
      hint={<Hint name={name} schema={schema} note={<> As JSON; empty for none.{note}</>} />}
      error={wrong ?? problemWithin(problems, path)}
    >
      {(control) => (
        <textarea
          {...control}
          class="textarea"
          rows={Math.min(Math.max(text.split('\n').length, 2), 12)}
          spellcheck={false}
          value={text}
          onInput={(event) => change(event.currentTarget)}
        />
      )}
    </Field>
  )
}

function read(text: string): { json: unknown; message: string | null } {
  if (text.trim() === '') return { json: undefined, message: null }
  try {
    return { json: JSON.parse(text), message: null }
  } catch (error) {
    return { json: undefined, message: `This is no JSON: ${error instanceof Error ? error.message : error}` }
  }
}
