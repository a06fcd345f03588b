import { z } from 'zod'
import { callbackHost } from './callback-url.ts'
import { extensionOf } from './filename.ts'
import { essenceOf } from './media-type.ts'
import { maxStorableBytes } from './part-size.ts'
import { stepSettingsSchema } from './step-settings.ts'

const mebibyte = 1024 * 1024

/** The most files in one request that any policy or token may allow. */
export const mostFilesPerRequest = 1000

/** The most bytes that a file's metadata may have, as JSON: so none of its values has more characters. */
export const maxMetadataBytes = 2048

/** A media type, or a group of them such as `image/*`; each half has 127 characters at most (RFC 6838 §4.2). */
export const typePattern = z
  .string()
  .toLowerCase()
  .regex(
    /^(\*\/\*|[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\/(\*|[a-z0-9][a-z0-9!#$&^_.+-]{0,126}))$/,
    'is no media type such as image/* or application/pdf',
  )

const extension = z
  .string()
  .toLowerCase()
  .regex(/^[a-z0-9][a-z0-9_-]{0,15}$/, 'is no filename extension such as "pdf", without its dot')

const origin = z
  .string()
  .refine((text) => text === '*' || isWebOrigin(text), 'is no web origin such as https://app.example.com, and not "*"')

const perMinute = (what: string) =>
  z.int().min(1).max(1_000_000).nullable().default(null).describe(`${what}; null is no limit.`)

/** What one metadata key must look like. No regular expressions: a domain's own would run in everybody's Worker. */
export const metadataRuleSchema = z.strictObject({
  required: z.boolean().default(true).describe('Whether a file without it is refused.'),
  format: z
    .enum(['text', 'integer', 'date', 'uuid', 'email'])
    .default('text')
    .describe('What its value is: a date is written YYYY-MM-DD.'),
  maxLength: z
    .int()
    .min(1)
    .max(maxMetadataBytes)
    .default(maxMetadataBytes)
    .describe('The most characters of its value.'),
  values: z
    .array(z.string().max(200))
    .min(1)
    .max(100)
    .nullable()
    .default(null)
    .describe('The only values it may have.'),
})
export type MetadataRule = z.infer<typeof metadataRuleSchema>

/** What a domain allows. Every field has a default, so `{}` is a working, closed policy. */
export const policySchema = z.strictObject({
  maxFileBytes: z
    .int()
    .min(0)
    .max(maxStorableBytes)
    .default(1024 * mebibyte)
    .describe('The largest file, in bytes.'),
  maxRequestBytes: z
    .int()
    .min(0)
    .max(maxStorableBytes)
    .default(2048 * mebibyte)
    .describe('The largest request body, in bytes, all its files together.'),
  maxFilesPerRequest: z.int().min(1).max(mostFilesPerRequest).default(100).describe('The most files in one request.'),
  allowedTypes: z
    .array(typePattern)
    .max(200)
    .default(['*/*'])
    .describe('Media types that are taken, such as `image/*` or `application/pdf`. The bytes decide what a file is.'),
  deniedTypes: z
    .array(typePattern)
    .max(200)
    .default([])
    .describe('Media types that are refused although allowed above.'),
  confirmedTypes: z
    .array(typePattern)
    .max(200)
    .default([])
    .describe('Media types that are taken only where the bytes show them, even if they are allowed by name.'),
  allowedExtensions: z
    .array(extension)
    .max(200)
    .default([])
    .describe('The last extensions that filenames may have, without the dot; none listed is no limit.'),
  metadata: z
    .record(z.string().min(1).max(100), metadataRuleSchema)
    .refine((rules) => Object.keys(rules).length <= 50, 'has more than 50 keys')
    .default({})
    .describe('What the metadata of an upload must hold, by key. Keys that are not listed may be there as well.'),
  quotaBytes: z.int().min(0).nullable().default(null).describe('The most bytes stored at any time; null is no limit.'),
  quotaFiles: z.int().min(0).nullable().default(null).describe('The most files stored at any time; null is no limit.'),
  retentionDays: z
    .int()
    .min(1)
    .max(36_500)
    .nullable()
    .default(null)
    .describe('Files are deleted this many days after they came in; null keeps them.'),
  historyDays: z
    .int()
    .min(0)
    .max(3650)
    .default(30)
    .describe('For how many days a deleted file’s id, events and deliveries are kept.'),
  anonymousUpload: z.boolean().default(false).describe('Whether anybody may upload without a credential.'),
  publicRead: z.boolean().default(false).describe('Whether anybody who knows a file’s id may read it.'),
  allowedOrigins: z
    .array(origin)
    .max(100)
    .default([])
    .describe('Web origins whose pages may use the domain from a browser; `*` is every origin.'),
  uploadsPerMinute: perMinute('The most requests a minute that send something, all clients together'),
  uploadsPerMinutePerClient: perMinute('The same for each credential, and for each address without one'),
  readsPerMinute: perMinute('The most requests a minute that read something, all clients together'),
  readsPerMinutePerClient: perMinute('The same for each credential, and for each address without one'),
  readBeforeComplete: z.boolean().default(false).describe('Whether content is served before processing has ended.'),
  callbackHosts: z
    .array(callbackHost)
    .max(100)
    .default([])
    .describe('Hosts that an upload may have told how it ends, such as `hooks.example.com` or `*.example.com`.'),
  steps: stepSettingsSchema
    .default([{ step: 'inspect' }])
    .describe('The processing steps, in their order: `[{ "step": "inspect" }]`.'),
})

/** A domain's policy as it is stored. */
export type DomainPolicy = z.infer<typeof policySchema>

/** The same as one request meets it. */
export type Policy = DomainPolicy & {
  /** Set by an upload token: the type has to be allowed here as well. Never stored. */
  readonly withinTypes?: readonly string[]
}

type PolicyShape = typeof policySchema.shape

/** Some fields of a policy. What is not given stays away: it gets no default, as `policySchema.partial()` would give it. */
export const policyChangeSchema = z.strictObject(
  Object.fromEntries(
    Object.entries(policySchema.shape).map(([name, field]) => [
      name,
      (field.unwrap() as z.ZodType).describe(field.description ?? '').optional(),
    ]),
  ) as { [Name in keyof PolicyShape]: z.ZodOptional<ReturnType<PolicyShape[Name]['unwrap']>> },
)

export type PolicyChange = z.infer<typeof policyChangeSchema>

const closedPolicy = policySchema.parse({})

/**
 * A policy as it was written down, of which each field was checked then. Those that there were not at that time have
 * their defaults.
 */
export function storedPolicy(stored: Partial<Policy>): Policy {
  return { ...closedPolicy, ...stored }
}

/**
 * Whether the policy takes a file of this media type (lower case, without parameters). A type that only the client's
 * word speaks for has to be listed as itself: it is no member of a group such as `image/*`. What is denied is denied
 * under every name: also where the file's bytes only may be read as it.
 */
export function allowsType(
  policy: Policy,
  { type, isConfirmed, readableAs = [] }: { type: string; isConfirmed: boolean; readableAs?: readonly string[] },
): boolean {
  const isAmong = (patterns: readonly string[]) =>
    patterns.some((pattern) =>
      isConfirmed || !pattern.endsWith('/*') || pattern === '*/*' ? matchesType(pattern, type) : false,
    )
  const isDenied =
    [type, ...readableAs].some((name) => deniesType(policy, name)) ||
    (!isConfirmed && policy.confirmedTypes.some((pattern) => matchesType(pattern, type)))
  return isAmong(policy.allowedTypes) && (!policy.withinTypes || isAmong(policy.withinTypes)) && !isDenied
}

/** Whether the policy refuses this type although it may be among the allowed. */
export function deniesType(policy: Policy, type: string): boolean {
  return policy.deniedTypes.some((pattern) => matchesType(pattern, type))
}

/** The first of these patterns that reaches beyond what the policy allows, or is denied; undefined when each lies within it. */
export function firstWiderType(policy: Policy, patterns: readonly string[]): string | undefined {
  return patterns.find(
    (wanted) => !policy.allowedTypes.some((allowed) => matchesType(allowed, wanted)) || deniesType(policy, wanted),
  )
}

/** Whether the policy takes a file of this name. */
export function allowsFilename({ allowedExtensions }: Policy, filename: string): boolean {
  return allowedExtensions.length === 0 || allowedExtensions.includes(extensionOf(filename))
}

/** Whether a media type is one of those that a pattern stands for. */
export function matchesType(pattern: string, type: string): boolean {
  if (pattern === '*/*' || pattern === type || essenceOf(pattern) === type) return true
  return pattern.endsWith('/*') && type.startsWith(pattern.slice(0, -1))
}

function isWebOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text && /^https?:/.test(text)
}
