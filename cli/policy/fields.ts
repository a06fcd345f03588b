import type { Client } from '../client.ts'
import { Refused } from '../errors.ts'

/** A JSON Schema, as far as it is read here. */
export interface Schema {
  $ref?: string
  type?: string | string[]
  anyOf?: Schema[]
  oneOf?: Schema[]
  allOf?: Schema[]
  items?: Schema
  enum?: unknown[]
  properties?: Record<string, Schema>
  description?: string
  default?: unknown
}

/** The fields of a policy, by name, in the order in which the server describes them. */
export type PolicyFields = ReadonlyMap<string, Schema>

/** Where a policy is given: the first that the server has. */
const places = [
  ['/v1/domains/{slug}', 'patch'],
  ['/v1/domains', 'post'],
] as const

/**
 * The fields that the server's policy has, from its own description: so that a field it learns tomorrow can be set by
 * the command of today. Throws `Refused` for a description that has no policy.
 */
export async function readPolicyFields(client: Client): Promise<PolicyFields> {
  // biome-ignore lint/suspicious/noExplicitAny: the document is looked into, not trusted
  const document = await client.json<any>('GET', '/openapi.json')
  for (const [path, method] of places) {
    const body = document?.paths?.[path]?.[method]?.requestBody?.content?.['application/json']?.schema
    const policy = propertiesOf(document, body).policy
    const fields = Object.entries(propertiesOf(document, policy))
    if (fields.length > 0) return new Map(fields.map(([name, schema]) => [name, flatten(document, schema)]))
  }
  const title = `${client.settings.url.origin} does not say which fields its policy has`
  throw new Refused({ title, status: 200, detail: 'Its /openapi.json describes none.' })
}

/** The types that a value may have, with those of its alternatives. */
export function typesOf({ type, anyOf, oneOf }: Schema): string[] {
  const own = type === undefined ? [] : [type].flat()
  return [...own, ...[...(anyOf ?? []), ...(oneOf ?? [])].flatMap(typesOf)]
}

function propertiesOf(document: unknown, schema: Schema | undefined): Record<string, Schema> {
  if (schema === undefined) return {}
  const { properties, allOf, anyOf, oneOf } = dereference(document, schema)
  const parts = [...(allOf ?? []), ...(anyOf ?? []), ...(oneOf ?? [])].map((part) => propertiesOf(document, part))
  return Object.assign({}, ...parts, properties)
}

/** The schema with its alternatives in place of references to them. */
function flatten(document: unknown, schema: Schema): Schema {
  const { anyOf, oneOf, allOf, ...own } = dereference(document, schema)
  const parts = [anyOf, oneOf, allOf].flatMap((list) => list ?? []).map((part) => flatten(document, part))
  return parts.length === 0 ? own : { ...own, anyOf: parts }
}

function dereference(document: unknown, schema: Schema): Schema {
  if (!schema.$ref?.startsWith('#/')) return schema
  const names = schema.$ref.slice(2).split('/')
  // biome-ignore lint/suspicious/noExplicitAny: a path through a document of any shape
  const target = names.reduce<any>(
    (place, name) => Object(place)[name.replaceAll('~1', '/').replaceAll('~0', '~')],
    document,
  )
  const { $ref: _, ...beside } = schema
  return { ...dereference(document, Object(target)), ...beside }
}
