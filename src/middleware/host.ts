import { createMiddleware } from 'hono/factory'
import type { AppEnv } from '../context.ts'
import { authorityOf, meaningOfHost } from '../core/host.ts'

const loopback = /^(127\.0\.0\.1|\[::1\])(:\d+)?$/

/**
 * Says what the host of the request stands for, by nothing but the host itself: `X-Forwarded-Host` and `Forwarded` are
 * what any client may write. In development the loopback addresses are the apex host as well.
 */
export function host() {
  return createMiddleware<AppEnv>(async function host(c, next) {
    const { env } = c.get('deps')
    const url = URL.parse(c.req.url)
    // A slash in Host would move the rest of it into the path.
    const host = c.req.header('host')?.includes('/') ? '' : authorityOf(c.req.url)
    c.set('origin', url?.origin ?? '')
    const isOwnMachine = env.MODE === 'development' && loopback.test(host)
    if (isOwnMachine) c.set('host', { kind: 'apex' })
    else c.set('host', url ? meaningOfHost(host, env.BASE_DOMAIN) : { kind: 'none' })
    await next()
  })
}
