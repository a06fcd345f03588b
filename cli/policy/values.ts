import { WrongUse } from '../errors.ts'
import { parseAssignment, parseBytes, parseList } from '../text.ts'
import { type PolicyFields, type Schema, typesOf } from './fields.ts'

/**
 * Reads `field=value` words as a part of a policy, by what the fields may be: `maxFileBytes=10MB`, `publicRead=true`,
 * `allowedTypes=image/*,application/pdf`, `quotaFiles=null`, and JSON for what has an inner structure. Whether a value is
 * within its bounds is the server's to say. Throws `WrongUse` for an unknown field and for a value that can't be read.
 */
export function parsePolicyWords(words: readonly string[], fields: PolicyFields): Record<string, unknown> {
  const policy = new Map<string, unknown>()
  for (const word of words) {
    const [name, text] = parseAssignment(word, 'policy')
    if (policy.has(name)) throw new WrongUse(`The policy's ${name} is given twice.`)
    policy.set(name, parseValue(name, text, requireField(name, fields)))
  }
  return Object.fromEntries(policy)
}

/** Throws `WrongUse` for a policy with a field that the server's has not, or that is no object. */
export function requirePolicy(value: unknown, fields: PolicyFields): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new WrongUse('A policy is a JSON object, such as {"maxFileBytes":10000000}.')
  }
  for (const name of Object.keys(value)) requireField(name, fields)
  return value as Record<string, unknown>
}

/** The fields of the policy, a line each: name, type, what it says. */
export function describeFields(fields: PolicyFields): string {
  const width = Math.max(...[...fields.keys()].map((name) => name.length))
  return [...fields]
    .map(([name, { description = '' }]) => `  ${name.padEnd(width)}  ${description}`.trimEnd())
    .join('\n')
}

function requireField(name: string, fields: PolicyFields): Schema {
  const field = fields.get(name)
  if (field) return field
  const near = [...fields.keys()].find((known) => known.toLowerCase() === name.toLowerCase().replaceAll(/[-_]/g, ''))
  const hint = near ? `Did you mean ${near}?` : `It has:\n${describeFields(fields)}`
  throw new WrongUse(`The policy has no field "${name}". ${hint}`)
}

function parseValue(name: string, text: string, field: Schema): unknown {
  const types = new Set(typesOf(field))
  const wrong = (expected: string) => new WrongUse(`${name} must be ${expected}, not "${text}".`)
  if (text === 'null') {
    if (types.has('null')) return null
    throw new WrongUse(`${name} can't be null.`)
  }
  if (types.has('boolean')) {
    if (text === 'true' || text === 'false') return text === 'true'
    throw wrong('true or false')
  }
  if (types.has('integer') || types.has('number')) {
    if (name.endsWith('Bytes')) return parseBytes(text, name)
    if (/^\d{1,15}$/.test(text)) return Number(text)
    throw wrong('a whole number')
  }
  const items = itemTypesOf(field)
  // A list of plain words needs no JSON; anything may be given as JSON.
  if (types.has('array') && !text.startsWith('[') && !items.has('object')) return parseList(text)
  if (!types.has('array') && !types.has('object')) return text
  try {
    return JSON.parse(text)
  } catch {
    throw wrong(items.has('object') ? 'a list of objects, as JSON' : 'JSON')
  }
}

function itemTypesOf({ items, anyOf = [], oneOf = [] }: Schema): Set<string> {
  const inner = [...anyOf, ...oneOf].flatMap((part) => [...itemTypesOf(part)])
  return new Set([...(items ? typesOf(items) : []), ...inner])
}
