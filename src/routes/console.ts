import { OpenAPIHono } from '@hono/zod-openapi'
import { createMiddleware } from 'hono/factory'
import { secureHeaders } from 'hono/secure-headers'
import type { AppContext, AppEnv } from '../context.ts'
import { developmentAdminToken, developmentDomain } from '../core/development.ts'
import { Refusal } from '../core/errors.ts'
import { host } from '../middleware/host.ts'

/** The console needs nothing but its own files, the interface of this host, and pictures that it has fetched itself. */
const headers = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'", 'blob:'],
    connectSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
  },
  referrerPolicy: 'no-referrer',
  xFrameOptions: 'DENY',
  // Whether a host is only ever asked over HTTPS is the operator's to say, and holds for more than the console.
  strictTransportSecurity: false,
})

/** On a domain's own host there is no console, and nothing says that there is one elsewhere. */
const onApexHost = createMiddleware<AppEnv>(async function onApexHost(c, next) {
  if (c.var.host.kind !== 'apex') throw nothingHere()
  await next()
})

/** The web console: `web/` as Vite has built it. Whoever opens it signs in there; the files are for everybody. */
export const consoleRoutes = new OpenAPIHono<AppEnv>()
  .get('/', host(), onApexHost, headers, async (c) => {
    const page = await asset(c)
    page.headers.set('Cache-Control', 'no-cache')
    return isOpenToItsDeveloper(c) ? withDevelopmentSession(page) : page
  })
  .get('/console/:file', host(), onApexHost, headers, async (c) => {
    const file = await asset(c)
    // Its name holds a hash of what is in it.
    file.headers.set('Cache-Control', 'public, max-age=31536000, immutable')
    return file
  })

/** A file of `dist/web`. Throws `route-not-found` where there is none, as in a deployment without static assets. */
async function asset(c: AppContext): Promise<Response> {
  // Without the client's conditions: what is cached here is either never asked for again, or a page of one kilobyte.
  const found = await c.var.deps.env.ASSETS?.fetch(c.req.url, { method: c.req.method })
  if (found?.status !== 200) throw nothingHere()
  return new Response(found.body, found)
}

/** Only with the token that everybody knows: one of the developer's own is not given away to who asks for the page. */
function isOpenToItsDeveloper(c: AppContext): boolean {
  const { MODE, ADMIN_TOKEN } = c.var.deps.env
  return MODE === 'development' && ADMIN_TOKEN === developmentAdminToken
}

/** Tells the page in development what it signs in with by itself. */
function withDevelopmentSession(page: Response): Response {
  const session = `<meta name="development-session" data-credential="${developmentAdminToken}" data-domain="${developmentDomain}">`
  page.headers.delete('ETag')
  return new HTMLRewriter().on('head', { element: (head) => void head.append(session, { html: true }) }).transform(page)
}

function nothingHere(): Refusal {
  return new Refusal('route-not-found', 'There is nothing at this address. See /openapi.json for what there is.')
}
