import { OpenAPIHono } from '@hono/zod-openapi'
import type { AppEnv } from '../context.ts'
import { host } from '../middleware/host.ts'
import { hashedFile, onApexHost, pageHeaders, staticPage } from './static-files.ts'

/** `data:` is for the small pictures in the renderer's style sheet. */
const headers = pageHeaders('data:')

/** The reference of the HTTP interface: `web/reference/` as Vite has built it, which shows `/openapi.json`. */
export const referenceRoutes = new OpenAPIHono<AppEnv>()
  .get('/docs', host(), onApexHost, headers, staticPage)
  .get('/reference/:file', host(), onApexHost, headers, hashedFile)
