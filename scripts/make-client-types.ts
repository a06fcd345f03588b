import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import * as events from '../src/routes/event-schemas.ts'
import * as shapes from '../src/routes/schemas.ts'
import * as tokens from '../src/routes/token-schemas.ts'

/** The name that each of the server's shapes has in `stevedore/client`. */
const answers: Record<string, z.ZodType> = {
  ErrorCode: shapes.errorCodeSchema,
  FileStatus: shapes.fileStatusSchema,
  Problem: shapes.problemSchema,
  Step: shapes.stepSchema,
  Variant: shapes.variantSchema,
  Upload: shapes.uploadSchema,
  AcceptedUpload: shapes.acceptedUploadSchema,
  UploadDetail: shapes.uploadDetailSchema,
  UploadStatus: shapes.statusSchema,
  HistoryEvent: shapes.eventSchema,
  StreamedEvent: events.streamedEventSchema,
  StreamedProgress: events.progressSchema,
  StreamedReset: events.resetSchema,
  ToldUpload: events.toldUploadSchema,
  UploadMessage: events.uploadMessageSchema,
  EndpointDisabledMessage: events.endpointDisabledMessageSchema,
  TestMessage: events.testMessageSchema,
  WebhookMessage: events.webhookMessageSchema,
  UploadToken: tokens.uploadTokenSchema,
  DownloadLink: tokens.downloadLinkSchema,
}
const requests: Record<string, z.ZodType> = {
  UploadTokenRequest: tokens.uploadTokenRequestSchema,
  DownloadLinkRequest: tokens.downloadLinkRequestSchema,
}

export const clientTypesPath = join(import.meta.dirname, '../client/types.ts')

/**
 * The source of `client/types.ts`: each shape of the server that its client knows, as a type without any import, so that
 * the package's types need nothing but themselves.
 */
export function clientTypes(): string {
  const types = [...toJsonSchemas(answers, 'output'), ...toJsonSchemas(requests, 'input')].map(
    ([name, schema]) =>
      `${comment(schema)}export ${schema.type === 'object' ? `interface ${name}` : `type ${name} =`} ${print(schema)}`,
  )
  const head = '// Made from the schemas of the server by `npm run types:client`. Change those.'
  return `${[head, ...types].join('\n\n')}\n`
}

type JsonSchema = z.core.JSONSchema.BaseSchema

function toJsonSchemas(schemas: Record<string, z.ZodType>, io: 'input' | 'output'): [string, JsonSchema][] {
  const registry = z.registry<{ id: string }>()
  for (const [id, schema] of Object.entries(schemas)) registry.add(schema, { id })
  const { schemas: made } = z.toJSONSchema(registry, { io, uri: (id) => id })
  return Object.entries(made).map(([id, { $schema: _, $id: __, id: ___, ...schema }]) => [id, schema])
}

/** A schema as a type. Throws for one that holds what none of the server's shapes has held so far. */
function print(schema: JsonSchema): string {
  const { $ref, anyOf, oneOf, type } = schema
  if ($ref !== undefined) return $ref
  if (anyOf ?? oneOf) return (anyOf ?? oneOf ?? []).map((option) => print(option as JsonSchema)).join(' | ')
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ')
  if (Array.isArray(type)) return type.map((type) => print({ ...schema, type })).join(' | ')
  switch (type) {
    case 'string':
    case 'boolean':
    case 'null':
      return type
    case 'integer':
    case 'number':
      return 'number'
    case 'array':
      return `(${print(schema.items as JsonSchema)})[]`
    case 'object':
      return printObject(schema)
  }
  // `{}` is what JSON Schema says of anything at all.
  if (Object.keys(schema).length === 0) return 'unknown'
  throw new Error(`There is no type for ${JSON.stringify(schema)}.`)
}

function printObject({ properties = {}, required = [], additionalProperties: rest }: JsonSchema): string {
  const members = Object.entries(properties as Record<string, JsonSchema>).map(
    ([name, schema]) => `${comment(schema)}${name}${required.includes(name) ? '' : '?'}: ${print(schema)}`,
  )
  if (typeof rest === 'object') members.push(`[name: string]: ${print(rest as JsonSchema)}`)
  return `{\n${members.join('\n')}\n}`
}

function comment({ description }: JsonSchema): string {
  return description === undefined ? '' : `/** ${description.replaceAll('*/', '*\\/')} */\n`
}

if (import.meta.main) await writeFile(clientTypesPath, clientTypes())
