import type { EditorProps } from './editor.ts'
import { formatValue, kindOf } from './kinds.ts'

/** What the server says of a value, and its default. */
export function Hint({ name, schema, note }: Pick<EditorProps, 'name' | 'schema' | 'note'>) {
  const kind = kindOf(name, schema)
  const hasDefault = schema.default !== undefined && (kind === 'bytes' || kind === 'number' || kind === 'texts')
  return (
    <>
      {(schema.description ?? '').split('`').map((part, index) =>
        // Every second part stood between two marks.
        index % 2 === 1 ? <code key={index}>{part}</code> : part,
      )}
      {hasDefault && ` Default: ${formatValue(kind, schema.default)}.`}
      {note}
    </>
  )
}
