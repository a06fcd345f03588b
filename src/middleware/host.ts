import { createMiddleware } from 'hono/factory'
import type { AppEnv } from '../context.ts'
import { meaningOfHost } from '../core/host.ts'

const loopback = /^(127\.0\.0\.1|\[::1\])(:\d+)?$/

/** Says what the host of the request stands for. In development the loopback addresses are the apex host as well. */
export function host() {
  return createMiddleware<AppEnv>(async function host(c, next) {
    const { env } = c.get('deps')
    const { host, origin } = new URL(c.req.url)
    c.set('origin', origin)
    const isOwnMachine = env.MODE === 'development' && loopback.test(host)
    c.set('host', isOwnMachine ? { kind: 'apex' } : meaningOfHost(host, env.BASE_DOMAIN))
    await next()
  })
}
