import { createMiddleware } from 'hono/factory'
import type { AppEnv } from '../context.ts'
import type { Deps } from '../deps.ts'

/** Builds what the request works with, by the factory that the app was made with. */
export function deps(build: (env: unknown, context: { waitUntil(promise: Promise<unknown>): void }) => Deps) {
  return createMiddleware<AppEnv>(async function deps(c, next) {
    c.set('deps', build(c.env, c.executionCtx))
    await next()
  })
}
