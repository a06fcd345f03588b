import type { AppContext } from '../context.ts'
import { clientOf } from '../core/rate-limit.ts'

/** Whom a live stream is counted for: a key, or an address. Null for the administrator, who is not bounded. */
export function watchingClient(c: AppContext): string | null {
  const { credential } = c.var
  // Set by Cloudflare, whatever a client sends of that name.
  return credential.kind === 'administrator' ? null : clientOf(credential, c.req.header('cf-connecting-ip'))
}
