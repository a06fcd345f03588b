import type { EditorProps } from './editor.ts'
import { formatValue, isNullable, kindOf } from './kinds.ts'

/** What the server says of a value, and its default. */
export function Hint({ name, schema, note }: Pick<EditorProps, 'name' | 'schema' | 'note'>) {
  const kind = kindOf(name, schema)
  const usual = formatValue(kind, schema.default)
  const hasDefault = (kind === 'bytes' || kind === 'number' || kind === 'texts') && usual !== 'none'
  // What the interface calls null is a field that is left empty here.
  const description = (schema.description ?? '').replace(/\bnull\b/, isNullable(schema) ? 'empty' : 'null')
  return (
    <>
      {description.split('`').map((part, index) =>
        // Every second part stood between two marks.
        index % 2 === 1 ? <code key={index}>{part}</code> : part,
      )}
      {hasDefault && ` Default: ${usual}.`}
      {note}
    </>
  )
}
