import { z } from 'zod'
import { Refusal } from './errors.ts'
import { type MetadataRule, maxMetadataBytes } from './policy.ts'

/** A client's own notes on a file: a JSON object of strings, at most 2 KB as JSON. */
export const metadataSchema = z
  .record(z.string().min(1).max(100), z.string())
  .refine((value) => new TextEncoder().encode(JSON.stringify(value)).byteLength <= maxMetadataBytes, {
    message: `is larger than ${maxMetadataBytes} bytes as JSON`,
  })

export type Metadata = z.infer<typeof metadataSchema>

/** Reads metadata as a client wrote it; `where` names the field or header for the refusal `metadata-invalid`. */
export function parseMetadata(text: string, where: string): Metadata {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new Refusal(
      'metadata-invalid',
      `The ${where} is not JSON. Send an object of strings, such as {"invoice":"4711"}.`,
    )
  }
  const result = metadataSchema.safeParse(value)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const at = issue && issue.path.length > 0 ? ` at ${JSON.stringify(issue.path.join('.'))}` : ''
  throw new Refusal(
    'metadata-invalid',
    `The ${where} is wrong${at}: ${issue?.message}. Send an object of strings, at most 2 KB.`,
  )
}

/** Throws `metadata-invalid`, with every key that is missing or wrong, unless the metadata is as the policy wants it. */
export function requireMetadata(rules: Readonly<Record<string, MetadataRule>>, metadata: Metadata): void {
  const problems = Object.entries(rules).flatMap(([key, rule]) => {
    const value = Object.hasOwn(metadata, key) ? metadata[key] : undefined
    const message = value === undefined ? (rule.required ? 'is required' : null) : wrongness(rule, value)
    return message === null ? [] : [{ key, message }]
  })
  const [first] = problems
  if (!first) return
  throw new Refusal('metadata-invalid', `The metadata is wrong: "${first.key}" ${first.message}.`, {
    facts: { problems },
  })
}

const formats: Record<Exclude<MetadataRule['format'], 'text'>, { schema: z.ZodType; message: string }> = {
  integer: { schema: z.string().regex(/^-?(0|[1-9]\d*)$/), message: 'is no whole number' },
  date: { schema: z.iso.date(), message: 'is no date such as 2026-11-22' },
  uuid: { schema: z.uuid(), message: 'is no UUID' },
  email: { schema: z.email(), message: 'is no e-mail address' },
}

/** What is wrong with a value, as the end of a sentence; null when nothing is. */
function wrongness({ format, maxLength, values }: MetadataRule, value: string): string | null {
  if (value.length > maxLength) return `is longer than ${maxLength} characters`
  if (values && !values.includes(value)) return `is none of ${values.map((allowed) => `"${allowed}"`).join(', ')}`
  if (format === 'text') return null
  const { schema, message } = formats[format]
  return schema.safeParse(value).success ? null : message
}

/**
 * What a client sends together with what was fixed for it. Throws `metadata-invalid` when it sends another value for a
 * fixed key, as a signed POST to an object store is refused for a field that differs from its policy, or when the two
 * are too large together.
 */
export function withFixedMetadata(sent: Metadata, fixed: Metadata): Metadata {
  const contradicted = Object.keys(fixed).find((key) => Object.hasOwn(sent, key) && sent[key] !== fixed[key])
  if (contradicted !== undefined) {
    throw new Refusal(
      'metadata-invalid',
      `The upload token fixes the metadata ${JSON.stringify(contradicted)} to another value. Leave it out.`,
      { facts: { key: contradicted } },
    )
  }
  const result = metadataSchema.safeParse({ ...sent, ...fixed })
  if (result.success) return result.data
  throw new Refusal('metadata-invalid', 'The metadata and what the upload token adds to it are larger than 2 KB.')
}
