import { createMiddleware } from 'hono/factory'
import type { AppEnv } from '../context.ts'
import { Refusal } from '../core/errors.ts'
import { authenticate } from '../services/authenticate.ts'

/** Says who sent the request. A credential that nobody issued is refused here, whatever it was sent for. */
export function credential() {
  return createMiddleware<AppEnv>(async function credential(c, next) {
    const { env, databaseFor, keyCache, now } = c.get('deps')
    const parts = {
      adminToken: env.ADMIN_TOKEN,
      databaseFor,
      cache: keyCache,
      now,
    }
    c.set('credential', await authenticate(parts, c.req.header('authorization')))
    await next()
  })
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
