import type { ComponentChildren } from 'preact'
import type { EditorProps } from './editor.ts'
import { Hint } from './hint.tsx'
import { labelOf } from './kinds.ts'

/** Several values under one name, with what there is to know of it. */
export function Group({
  name,
  schema,
  note,
  problem,
  children,
}: Pick<EditorProps, 'name' | 'schema' | 'note'> & { problem?: string | undefined; children: ComponentChildren }) {
  return (
    <fieldset class="group">
      <legend class="field-label">{labelOf(name)}</legend>
      <span class="field-hint">
        <Hint name={name} schema={schema} note={note} />
      </span>
      {problem && (
        <span class="field-error" role="alert">
          {problem}
        </span>
      )}
      {children}
    </fieldset>
  )
}
