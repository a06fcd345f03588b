import { createMiddleware } from 'hono/factory'
import type { AppContext, AppEnv } from '../context.ts'
import { type Credential, unknownCredential } from '../core/access.ts'
import { Refusal } from '../core/errors.ts'
import { authenticate } from '../services/authenticate.ts'

/** Says who sent the request. A credential that nobody issued is refused here, whatever it was sent for. */
export function credential() {
  return createMiddleware<AppEnv>(async function credential(c, next) {
    const { env, placeOf, keyCache, signingSecrets, now, log, defer } = c.get('deps')
    const parts = {
      adminToken: env.ADMIN_TOKEN,
      signingSecrets,
      placeOf,
      cache: keyCache,
      now,
      log,
      defer,
    }
    const presented = {
      authorization: c.req.header('authorization'),
      queryToken: queryToken(c),
      mayBeRemembered: mayBeRemembered(c),
    }
    c.set('credential', await authenticate(parts, presented))
    await next()
  })
}

/**
 * Whether a revocation may take some seconds to be noticed: where something is read, and where an upload is sent, whose
 * commit looks at its key again. What changes anything else looks at it now, and so does all administration: a revoked
 * key must not make itself a successor.
 */
function mayBeRemembered(c: AppContext): boolean {
  const { method, path } = c.req
  if (!path.startsWith('/v1/uploads')) return false
  return method === 'GET' || method === 'HEAD' || method === 'PUT' || (method === 'POST' && path === '/v1/uploads')
}

/**
 * The query parameter `token` where it is a credential: where one upload is read, since neither an <img> nor an
 * EventSource can send a header, and where a processor answers at the address that it was given. Elsewhere it means nothing. An answer to such an address never hands it on as a referrer.
 */
function queryToken(c: AppContext): string | undefined {
  const token = c.req.query('token')
  if (token === undefined) return undefined
  c.header('Referrer-Policy', 'no-referrer')
  const { method, path } = c.req
  if (!path.startsWith('/v1/uploads/')) return undefined
  const isAnswer = method === 'POST' && path.endsWith('/answer')
  return method === 'GET' || method === 'HEAD' || isAnswer ? token : undefined
}

/** Lets only the administrator pass, and only on the apex host: on a domain's own host there is no administration. */
export function administrator() {
  return createMiddleware<AppEnv>(async function administrator(c, next) {
    if (identify(c).kind !== 'administrator')
      throw new Refusal('forbidden', 'Only the administrator of this deployment may do this.')
    await next()
  })
}

/**
 * Lets the administrator pass, and whoever manages the domain that the path names. The key decides which domain that is,
 * before the slug is looked up: of any other, nobody learns whether it exists.
 */
export function manager() {
  return createMiddleware<AppEnv>(async function manager(c, next) {
    const credential = identify(c)
    if (credential.kind !== 'administrator') {
      if (credential.kind !== 'key' || !credential.scopes.includes('manage')) {
        throw new Refusal('forbidden', 'This needs the administrator, or a key with the scope "manage".', {
          facts: { scope: 'manage' },
        })
      }
      const own = await c.var.deps.directory.byId(credential.domainId)
      if (!own) throw unknownCredential()
      c.var.deps.journal.note({ domain: own.slug, domainId: own.id })
      if (own.slug !== c.req.param('slug')) throw new Refusal('forbidden', 'A key manages its own domain only.')
    }
    await next()
  })
}

/** Who asks for administration; there is none on a domain's own host, and none for nobody. */
function identify(c: AppContext): Exclude<Credential, { kind: 'anonymous' }> {
  if (c.var.host.kind !== 'apex') throw new Refusal('route-not-found', 'There is nothing at this address.')
  const { credential } = c.var
  if (credential.kind !== 'anonymous') return credential
  throw new Refusal('credential-required', 'Send the administrator’s token, or a key, as "Authorization: Bearer …".')
}
