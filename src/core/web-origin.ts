import type { Policy } from './policy.ts'

/**
 * What `Access-Control-Allow-Origin` says to pages of this origin (an `Origin` header as the browser sent it); null where
 * the policy does not allow them. An opaque origin, which is sent as `null`, is allowed by `*` only.
 */
export function allowedOrigin({ allowedOrigins }: Policy, origin: string): string | null {
  if (allowedOrigins.includes('*')) return '*'
  return allowedOrigins.includes(origin) ? origin : null
}
