import { z } from 'zod'
import type { Domain } from './domain.ts'
import { type Metadata, metadataSchema } from './metadata.ts'
import { mostFilesPerRequest, typePattern } from './policy.ts'

/** What an upload token may be bound to, beside its domain and its time. What is left out is the policy's affair. */
export const uploadLimitsSchema = z.strictObject({
  maxFileBytes: z.int().min(0).optional().describe('The largest file, in bytes.'),
  types: z
    .array(typePattern)
    .min(1)
    .max(50)
    .optional()
    .describe('Media types that it may bring, such as `image/*`: a narrowing of the policy’s `allowedTypes`.'),
  maxFiles: z.int().min(1).max(mostFilesPerRequest).optional().describe('The most files in one request.'),
  metadata: metadataSchema
    .optional()
    .describe('Goes to every file. A client that sends another value for one of these keys is refused.'),
  uses: z
    .int()
    .min(1)
    .max(1_000_000)
    .nullish()
    .describe('How many files may be accepted in all, over all requests; null is no limit.'),
})
export type UploadLimits = z.infer<typeof uploadLimitsSchema>

/** An upload token as a request presents it. */
export interface UploadToken {
  readonly tokenId: string
  readonly domainId: string
  /** The API key that made it, whose revocation ends it as well; null for the administrator. */
  readonly keyId: string | null
  /** Milliseconds since 1970. */
  readonly expiresAt: number
  readonly limits: UploadLimits
}

/** The domain as the holder of a token meets it: its policy is narrowed by the token, and never widened. */
export function narrowDomain(domain: Domain, token: UploadToken | null): Domain {
  if (!token) return domain
  const { policy } = domain
  const { maxFileBytes, maxFiles, types } = token.limits
  return {
    ...domain,
    policy: {
      ...policy,
      maxFileBytes: Math.min(policy.maxFileBytes, maxFileBytes ?? policy.maxFileBytes),
      maxFilesPerRequest: Math.min(policy.maxFilesPerRequest, maxFiles ?? policy.maxFilesPerRequest),
      ...(types ? { withinTypes: types } : {}),
    },
  }
}

/** The metadata that every file of a request has, whatever its client sends. */
export function fixedMetadata(token: UploadToken | null): Metadata {
  return token?.limits.metadata ?? {}
}
