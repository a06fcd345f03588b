import { createMiddleware } from 'hono/factory'
import type { AppContext, AppEnv } from '../context.ts'
import type { Deps } from '../deps.ts'
import { RequestBody } from '../ingest/request-body.ts'

/**
 * Hands the body on as a `RequestBody`, and reads what the route has left of it before the answer goes out: a refusal
 * that is sent while the client still writes reaches most clients as a reset connection.
 */
export function requestBody() {
  return createMiddleware<AppEnv>(async function requestBody(c, next) {
    const body = new RequestBody(c.req.raw.body, c.req.header('content-length'))
    c.set('body', body)
    await next()
    if (body.isBeingRead || !c.req.raw.bodyUsed) await body.drain(poolOf(c))
  })
}

/** Undefined where the request was refused before anything was made to work with. */
function poolOf(c: AppContext) {
  return (c.get('deps') as Deps | undefined)?.pool
}
