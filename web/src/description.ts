import { ask } from './administration.ts'

/** As much of JSON Schema as the server describes itself by. */
export interface Schema {
  type?: string | readonly string[]
  enum?: readonly string[]
  properties?: Readonly<Record<string, Schema>>
  /** The schema of whatever other member there is; of no schema in particular when empty. */
  additionalProperties?: Schema | boolean
  items?: Schema
  required?: readonly string[]
  minimum?: number
  maximum?: number
  maxLength?: number
  maxItems?: number
  default?: unknown
  description?: string
  /** Of a policy's field: a manager may not set it. */
  'x-set-by'?: 'administrator'
}

interface Description {
  components: { schemas: Record<string, Schema> }
}

let loading: Promise<Description> | undefined

/** What the server says of one of its things in `/openapi.json`, which is fetched once. */
export async function describe(name: string): Promise<Schema> {
  loading ??= ask<Description>('/openapi.json').catch((error) => {
    loading = undefined
    throw error
  })
  const schema = (await loading).components.schemas[name]
  if (!schema) throw new Error(`The server does not describe “${name}”.`)
  return schema
}
