import { expect } from 'vitest'
import { z } from 'zod'

/** What an OpenAPI document is made of, as far as the tests look into it. */
// biome-ignore lint/suspicious/noExplicitAny: the document is judged here, not trusted
export type Json = any

export const methods = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace']

/** Every operation of a document, with its place. */
export function operationsOf(document: Json): { method: string; path: string; operation: Json }[] {
  return Object.entries<Json>(document.paths).flatMap(([path, item]) =>
    Object.entries<Json>(item)
      .filter(([method]) => methods.includes(method))
      .map(([method, operation]) => ({ method, path, operation })),
  )
}

/** The schema with every reference replaced by what it names. Throws for one that names nothing, and for a circle. */
export function withoutReferences(document: Json, schema: Json, within: string[] = []): Json {
  if (Array.isArray(schema)) return schema.map((item) => withoutReferences(document, item, within))
  if (typeof schema !== 'object' || schema === null) return schema
  if (typeof schema.$ref === 'string') {
    if (within.includes(schema.$ref)) throw new Error(`${schema.$ref} refers to itself`)
    return withoutReferences(document, target(document, schema.$ref), [...within, schema.$ref])
  }
  return Object.fromEntries(
    Object.entries(schema).map(([name, value]) => [name, withoutReferences(document, value, within)]),
  )
}

function target(document: Json, reference: string): Json {
  if (!reference.startsWith('#/')) throw new Error(`${reference} is not in this document`)
  const found = reference
    .slice(2)
    .split('/')
    .reduce((place, name) => place?.[name.replaceAll('~1', '/').replaceAll('~0', '~')], document)
  if (found === undefined) throw new Error(`${reference} names nothing`)
  return found
}

/** Holds a value against a schema of the document, in which it must find every member described. */
export function expectMatches(document: Json, schema: Json, value: unknown): void {
  const whole = withoutReferences(document, schema)
  const result = z.fromJSONSchema(whole).safeParse(value)
  expect(result.error?.issues ?? [], JSON.stringify(value)).toEqual([])
  expect(undescribed(whole, value), JSON.stringify(value)).toEqual([])
}

/** The members of a value that its schema does not speak of, by their places. */
function undescribed(schema: Json, value: Json, place = ''): string[] {
  if (Array.isArray(value))
    return value.flatMap((item, index) => undescribed(schema.items ?? {}, item, `${place}/${index}`))
  if (typeof value !== 'object' || value === null) return []
  const alternatives: Json[] = schema.anyOf ?? schema.oneOf
  if (alternatives) {
    const found = alternatives.map((alternative) => undescribed(alternative, value, place))
    return found.reduce((best, next) => (next.length < best.length ? next : best))
  }
  if (schema.allOf) {
    const properties = Object.assign({}, ...schema.allOf.map((part: Json) => part.properties ?? {}))
    return undescribed({ properties }, value, place)
  }
  return Object.entries(value).flatMap(([name, member]) => {
    const known = schema.properties?.[name]
    if (known) return undescribed(known, member, `${place}/${name}`)
    return schema.additionalProperties === undefined || schema.additionalProperties === false
      ? [`${place}/${name}`]
      : []
  })
}
