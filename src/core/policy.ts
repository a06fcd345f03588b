import { z } from 'zod'
import { maxStorableBytes } from './part-size.ts'

const mebibyte = 1024 * 1024

const typePattern = z
  .string()
  .toLowerCase()
  .regex(
    /^(\*\/\*|[a-z0-9][a-z0-9!#$&^_.+-]*\/(\*|[a-z0-9][a-z0-9!#$&^_.+-]*))$/,
    'is no media type such as image/* or application/pdf',
  )

/** The processing steps there are; `processing/steps.ts` holds one implementation for each name. */
export const stepNames = ['inspect'] as const
export type StepName = (typeof stepNames)[number]

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
  maxFilesPerRequest: z.int().min(1).max(1000).default(100).describe('The most files in one request.'),
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
  quotaBytes: z.int().min(0).nullable().default(null).describe('The most bytes stored at any time; null is no limit.'),
  quotaFiles: z.int().min(0).nullable().default(null).describe('The most files stored at any time; null is no limit.'),
  anonymousUpload: z.boolean().default(false).describe('Whether anybody may upload without a credential.'),
  publicRead: z.boolean().default(false).describe('Whether anybody who knows a file’s id may read it.'),
  readBeforeComplete: z.boolean().default(false).describe('Whether content is served before processing has ended.'),
  steps: z.array(z.enum(stepNames)).max(20).default(['inspect']).describe('The processing steps, in their order.'),
})

export type Policy = z.infer<typeof policySchema>

/** Whether the policy takes a file of this media type (lower case, without parameters). */
export function allowsType(policy: Policy, type: string): boolean {
  return (
    policy.allowedTypes.some((pattern) => matchesType(pattern, type)) &&
    !policy.deniedTypes.some((pattern) => matchesType(pattern, type))
  )
}

function matchesType(pattern: string, type: string): boolean {
  if (pattern === '*/*' || pattern === type) return true
  return pattern.endsWith('/*') && type.startsWith(pattern.slice(0, -1))
}
