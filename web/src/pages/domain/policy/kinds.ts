import type { Schema } from '../../../description.ts'
import { formatBinary } from '../../../parts/byte-units.ts'

/** How a value of a schema is edited. */
export type Kind = 'boolean' | 'choice' | 'bytes' | 'number' | 'text' | 'texts' | 'objects' | 'record' | 'json'

/** The name says the unit, as everywhere in the interface: `maxFileBytes`. What no other editor can do is JSON. */
export function kindOf(name: string, schema: Schema): Kind {
  const [type] = typesOf(schema).filter((it) => it !== 'null')
  if (type === 'boolean') return 'boolean'
  if (type === 'integer' || type === 'number') return name.endsWith('Bytes') ? 'bytes' : 'number'
  if (type === 'string') return schema.enum ? 'choice' : 'text'
  if (type === 'array' && schema.items?.type === 'string') return 'texts'
  if (type === 'array' && schema.items?.properties) return 'objects'
  if (type === 'object' && Object(schema.additionalProperties).properties) return 'record'
  return 'json'
}

export function isNullable(schema: Schema): boolean {
  return typesOf(schema).includes('null')
}

function typesOf({ type }: Schema): readonly string[] {
  return typeof type === 'string' ? [type] : (type ?? [])
}

const units = [
  { ending: 'Days', unit: 'days' },
  { ending: 'Length', unit: 'characters' },
  { ending: 'Minutes', unit: 'minutes' },
]

export function unitOf(name: string): string | null {
  return units.find(({ ending }) => name.endsWith(ending))?.unit ?? null
}

/** A field's name as people read it: `maxFileBytes` is "Max file size", for its unit stands beside the number. */
export function labelOf(name: string): string {
  const words = name
    .replace(/Bytes$/, 'Size')
    .replace(/(?<=.)Days$/, '')
    .replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
  return words.charAt(0).toUpperCase() + words.slice(1)
}

/** A value in few words, to be told beside the editor. */
export function formatValue(kind: Kind, value: unknown): string {
  if (value === null || value === undefined) return 'none'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (typeof value === 'number') return kind === 'bytes' ? formatBinary(value) : value.toLocaleString()
  if (kind === 'texts') return (value as string[]).join(', ') || 'none'
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** What a new value of this schema begins with: its default, and else the least that there is. */
export function startOf(schema: Schema): unknown {
  if (schema.default !== undefined) return schema.default
  if (schema.properties) {
    const members = Object.entries(schema.properties).map(([name, member]) => [
      name,
      schema.required?.includes(name) || member.default !== undefined ? startOf(member) : undefined,
    ])
    return Object.fromEntries(members.filter(([, value]) => value !== undefined))
  }
  return schema.type === 'string' ? '' : null
}
