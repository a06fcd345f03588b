import { OpenAPIHono } from '@hono/zod-openapi'
import { secureHeaders } from 'hono/secure-headers'
import type { AppContext, AppEnv } from '../context.ts'
import { developmentAdminToken, developmentDomain } from '../core/development.ts'
import { host } from '../middleware/host.ts'
import { hashedFile, onApexHost, staticPage } from './static-files.ts'

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

/** The web console: `web/` as Vite has built it. Whoever opens it signs in there; the files are for everybody. */
export const consoleRoutes = new OpenAPIHono<AppEnv>()
  .get('/', host(), onApexHost, headers, async (c) => {
    const page = await staticPage(c)
    return isOpenToItsDeveloper(c) ? withDevelopmentSession(page) : page
  })
  .get('/console/:file', host(), onApexHost, headers, hashedFile)

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
