import { OpenAPIHono } from '@hono/zod-openapi'
import { secureHeaders } from 'hono/secure-headers'
import type { AppEnv } from '../context.ts'
import { host } from '../middleware/host.ts'
import { hashedFile, onApexHost, staticPage } from './static-files.ts'

/** The page needs its own files and `/openapi.json`. `data:` is for the small pictures in the renderer's style sheet. */
const headers = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'", 'data:'],
    connectSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
  },
  referrerPolicy: 'no-referrer',
  xFrameOptions: 'DENY',
  // Whether a host is only ever asked over HTTPS is the operator's to say, and holds for more than this page.
  strictTransportSecurity: false,
})

/** The reference of the HTTP interface: `web/reference/` as Vite has built it, which shows `/openapi.json`. */
export const referenceRoutes = new OpenAPIHono<AppEnv>()
  .get('/docs', host(), onApexHost, headers, staticPage)
  .get('/reference/:file', host(), onApexHost, headers, hashedFile)
