import type { Hono } from 'hono'
import { createMiddleware } from 'hono/factory'
import type { AppEnv } from '../context.ts'
import { Refusal } from '../core/errors.ts'

/** The version of tus that is spoken here, and the only one. */
export const tusVersion = '1.0.0'

/** Says on every answer which tus it is, refusals included. */
export function tusProtocol() {
  return createMiddleware<AppEnv>(async function tusProtocol(c, next) {
    c.header('Tus-Resumable', tusVersion)
    await next()
  })
}

/**
 * Refuses a request of another version with 412 (tus 1.0, "Tus-Resumable"). `OPTIONS` is how a client finds the version
 * out, and needs none.
 */
export function requireTusVersion() {
  return createMiddleware<AppEnv>(async function requireTusVersion(c, next) {
    if (c.req.method !== 'OPTIONS' && c.req.header('tus-resumable') !== tusVersion) {
      c.header('Tus-Version', tusVersion)
      throw new Refusal('tus-version-unsupported', `Send "Tus-Resumable: ${tusVersion}": no other version is spoken.`, {
        facts: { versions: [tusVersion] },
      })
    }
    await next()
  })
}

const overridable: ReadonlySet<string> = new Set(['HEAD', 'PATCH', 'DELETE', 'OPTIONS', 'POST'])

/**
 * Takes `X-HTTP-Method-Override` for the method, for clients behind something that lets only a few pass (tus 1.0,
 * "X-HTTP-Method-Override"). The request begins anew with it, so that everything that looks at the method sees this one.
 */
export function methodOverride(app: Pick<Hono<AppEnv>, 'fetch'>) {
  return createMiddleware<AppEnv>(async function methodOverride(c, next) {
    const method = c.req.header('x-http-method-override')?.toUpperCase()
    if (method === undefined || method === c.req.method || !overridable.has(method)) return next()
    const headers = new Headers(c.req.raw.headers)
    headers.delete('x-http-method-override')
    return app.fetch(withMethod(c.req.raw, method, headers), c.env, c.executionCtx)
  })
}

function withMethod(request: Request, method: string, headers: Headers): Request {
  const body = method === 'HEAD' ? null : request.body
  return new Request(request.url, { method, headers, body, redirect: 'manual' })
}
