import { OpenAPIHono } from '@hono/zod-openapi'
import type { AppContext, AppEnv } from '../context.ts'
import { developmentAdminToken, developmentDomain } from '../core/development.ts'
import { host } from '../middleware/host.ts'
import { hashedFile, onApexHost, pageHeaders, staticPage } from './static-files.ts'

/** `blob:` is for the pictures that the console has fetched itself, since they need its credential. */
const headers = pageHeaders('blob:')

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
