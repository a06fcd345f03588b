import { z } from 'zod'
import { uploadLimitsSchema } from './upload-token.ts'

/**
 * What a signed token says. It is written as a JWT (RFC 7519) behind a prefix that secret scanners recognise, and is
 * bound to one domain (`aud`) and one kind: each kind has a schema of its own, and none passes as another. Its times are
 * whole seconds since 1970.
 */
export const tokenPrefix = 'stvt_'

/** How far ahead of ours the clock that made a token may be. Its end has no leeway: a token says itself how long it is good. */
const clockSkewSeconds = 60

const seconds = z.int().min(0)
const common = {
  aud: z.uuid(),
  iat: seconds,
  nbf: seconds.exactOptional(),
  exp: seconds,
}

const claimsSchema = z.discriminatedUnion('kind', [
  uploadLimitsSchema.extend({
    kind: z.literal('upload'),
    ...common,
    /** Names the token: its uses are counted by it. */
    jti: z.uuid(),
    /** The API key that made it; null for the administrator. */
    key: z.uuid().nullable(),
  }),
  z.strictObject({
    kind: z.literal('read'),
    ...common,
    /** The file. */
    sub: z.uuid(),
  }),
  z.strictObject({
    kind: z.literal('link'),
    ...common,
    sub: z.uuid(),
    /** The name that the content is saved under, whatever the file is called. */
    filename: z.string().exactOptional(),
  }),
  z.strictObject({
    kind: z.literal('processor'),
    ...common,
    sub: z.uuid(),
    /** The generation and the attempt that the question was asked in, and the step that it answers for. */
    generation: z.int().min(1),
    attempt: z.int().min(1),
    step: z.string(),
  }),
])
export type TokenClaims = z.infer<typeof claimsSchema>

/**
 * Reads the claims of a token whose signature was found to be ours. Null for what is no token of any kind, is not good
 * yet, or no longer: it ends at the very millisecond of `exp`. `now` is milliseconds since 1970.
 */
export function readClaims(payload: unknown, now: number): TokenClaims | null {
  const result = claimsSchema.safeParse(payload)
  if (!result.success) return null
  const { iat, nbf = iat, exp } = result.data
  if (exp * 1000 <= now) return null
  return Math.max(iat, nbf) * 1000 > now + clockSkewSeconds * 1000 ? null : result.data
}
