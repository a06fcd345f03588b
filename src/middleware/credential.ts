import { createMiddleware } from 'hono/factory'
import type { AppContext, AppEnv } from '../context.ts'
import { Refusal } from '../core/errors.ts'
import { authenticate } from '../services/authenticate.ts'

/** Says who sent the request. A credential that nobody issued is refused here, whatever it was sent for. */
export function credential() {
  return createMiddleware<AppEnv>(async function credential(c, next) {
    const { env, databaseFor, keyCache, signingSecrets, now } = c.get('deps')
    const parts = {
      adminToken: env.ADMIN_TOKEN,
      signingSecrets,
      databaseFor,
      cache: keyCache,
      now,
    }
    const presented = { authorization: c.req.header('authorization'), queryToken: queryToken(c) }
    c.set('credential', await authenticate(parts, presented))
    await next()
  })
}

/**
 * The query parameter `token` where it is a credential: where one upload is read, since neither an <img> nor an
 * EventSource can send a header. Elsewhere it means nothing. An answer to such an address never hands it on as a referrer.
 */
function queryToken(c: AppContext): string | undefined {
  const token = c.req.query('token')
  if (token === undefined) return undefined
  c.header('Referrer-Policy', 'no-referrer')
  const isRead = c.req.method === 'GET' || c.req.method === 'HEAD'
  return isRead && c.req.path.startsWith('/v1/uploads/') ? token : undefined
}

/** Lets only the administrator pass, and only on the apex host: on a domain's own host there is no administration. */
export function administrator() {
  return createMiddleware<AppEnv>(async function administrator(c, next) {
    if (c.var.host.kind !== 'apex') throw new Refusal('route-not-found', 'There is nothing at this address.')
    const { kind } = c.var.credential
    if (kind === 'anonymous') {
      throw new Refusal('credential-required', 'Send the administrator’s token as "Authorization: Bearer …".')
    }
    if (kind !== 'administrator')
      throw new Refusal('forbidden', 'Only the administrator of this deployment may do this.')
    await next()
  })
}
