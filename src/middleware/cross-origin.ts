import { cors } from 'hono/cors'
import { createMiddleware } from 'hono/factory'
import type { AppContext, AppEnv } from '../context.ts'
import type { Domain } from '../core/domain.ts'
import { Refusal } from '../core/errors.ts'
import { allowedOrigin } from '../core/web-origin.ts'
import { domainOfHost } from './domain.ts'

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/** What a page may read of an answer beside the few headers that every page may. */
const exposedHeaders = [
  ...['Location', 'Retry-After', 'RateLimit', 'RateLimit-Policy', 'X-Request-Id', 'Preference-Applied'],
  'Server-Timing',
  'X-Read-Token',
  ...['ETag', 'Repr-Digest', 'Content-Range', 'Accept-Ranges', 'Content-Disposition'],
  // tus 1.0, with its extensions.
  ...['Upload-Offset', 'Upload-Length', 'Upload-Expires', 'Upload-Metadata', 'Upload-Defer-Length', 'Upload-Concat'],
  ...['Tus-Resumable', 'Tus-Version', 'Tus-Extension', 'Tus-Max-Size', 'Tus-Checksum-Algorithm'],
  // draft-ietf-httpbis-resumable-upload.
  ...['Upload-Complete', 'Upload-Incomplete', 'Upload-Limit', 'Accept-Patch'],
].join(', ')

/**
 * A day on a domain's own host: what is kept there is only that the page may ask, and each request is judged again. On
 * the apex host the answer says nothing of any domain.
 */
const preflightOnDomain = cors({
  origin: async (origin, c) => {
    const allowed = await allowedAtHost(c, origin)
    if (!allowed) throw originNotAllowed(c, origin)
    return allowed
  },
  allowMethods: methods,
  maxAge: 86_400,
})
const preflightOnApex = cors({ origin: () => '*', allowMethods: methods, maxAge: 600 })

/**
 * Lets the pages of a domain's `allowedOrigins` read what is answered here, refusals as well, and answers their
 * preflights. There is no credentials mode: who sends is said by a bearer token, and never by a cookie.
 *
 * On the apex host it may be the request's header, query or body that names the domain, and a preflight has none of
 * these. So preflights pass there, and what is answered before the domain is known may be read by any page: it holds
 * nothing of a domain. `requireAllowedOrigin` judges the request itself.
 */
export function crossOrigin() {
  return createMiddleware<AppEnv>(async function crossOrigin(c, next) {
    const origin = c.req.header('origin')
    const isApex = c.get('host').kind === 'apex'
    const isPreflight = c.req.method === 'OPTIONS' && c.req.header('access-control-request-method') !== undefined
    if (isPreflight && origin !== undefined) return isApex ? preflightOnApex(c, next) : preflightOnDomain(c, next)
    // Also where no origin was sent: what a cache keeps of that answer must not be given to a page.
    c.header('Vary', 'Origin')
    if (origin === undefined) return next()
    const allowed = isApex ? '*' : await allowedAtHost(c, origin)
    if (allowed) {
      c.header('Access-Control-Allow-Origin', allowed)
      c.header('Access-Control-Expose-Headers', exposedHeaders)
    }
    return next()
  })
}

/**
 * Throws `origin-not-allowed` for a request that a page sent which may not use this domain. Requests without an `Origin`
 * are not sent by scripts of pages elsewhere, and the origin that the request was sent to is its own.
 */
export function requireAllowedOrigin(c: AppContext, { policy }: Domain): void {
  const origin = c.req.header('origin')
  if (origin === undefined || origin === c.get('origin')) return
  const allowed = allowedOrigin(policy, origin)
  c.header('Access-Control-Allow-Origin', allowed ?? undefined)
  if (!allowed) throw originNotAllowed(c, origin)
}

async function allowedAtHost(c: AppContext, origin: string): Promise<string | null> {
  const domain = await domainOfHost(c)
  return domain && allowedOrigin(domain.policy, origin)
}

function originNotAllowed(c: AppContext, origin: string): Refusal {
  c.header('Vary', 'Origin')
  return new Refusal(
    'origin-not-allowed',
    `Pages of "${origin.slice(0, 300)}" may not use this domain. Its policy lists those that may as allowedOrigins.`,
    { facts: { origin: origin.slice(0, 300) } },
  )
}
