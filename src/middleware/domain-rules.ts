import { createMiddleware } from 'hono/factory'
import type { AppContext, AppEnv } from '../context.ts'
import type { Domain } from '../core/domain.ts'
import { requireAllowedOrigin } from './cross-origin.ts'
import { countRequest } from './rate-limit.ts'

/** Holds each request against what its domain says of pages and of rates, before a byte of the body is read. */
export function domainRules() {
  return createMiddleware<AppEnv>(async function domainRules(c, next) {
    const domain = c.get('domain')
    if (domain) await enforceDomainRules(c, domain)
    await next()
  })
}

/** The same for a request whose domain is known only now: a form on the apex host may be the first to name it. */
export async function enforceDomainRules(c: AppContext, domain: Domain): Promise<void> {
  c.get('deps').journal.note({ domain: domain.slug, domainId: domain.id })
  requireAllowedOrigin(c, domain)
  await countRequest(c, domain)
}
