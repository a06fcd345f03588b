import type { ComponentChildren } from 'preact'
import type { Problems } from '../../../administration.ts'
import type { Schema } from '../../../description.ts'

/** What every editor of a value is given. */
export interface EditorProps {
  /** As the server calls it. */
  name: string
  /** Where it stands in what is sent: `policy.steps.0.step`. */
  path: string
  schema: Schema
  value: unknown
  /** Undefined: the value is left out. */
  onChange: (value: unknown) => void
  problems: Problems
  /** Whether it may not be left out. */
  isRequired?: boolean
  /** What else is to be known of it. */
  note?: ComponentChildren
}

/** Edits a value by its schema; handed down to the editors of what holds others. */
export type Edit = (props: EditorProps) => ComponentChildren

/** What the server found wrong with a value, or with something in it, as one sentence. */
export function problemWithin(problems: Problems, path: string, value?: unknown): string | null {
  const found = [...problems].filter(([place]) => place === path || place.startsWith(`${path}.`))
  const sentences = found.map(([place, message]) => {
    const inside = place.slice(path.length + 1)
    if (inside === '') return message
    const item = Array.isArray(value) ? value[Number(inside)] : undefined
    return `${item === undefined ? inside : `“${item}”`} ${message}`
  })
  return sentences.join('; ') || null
}
