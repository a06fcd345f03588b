import { createRoute, OpenAPIHono } from '@hono/zod-openapi'
import type { AppEnv } from '../context.ts'
import { requireAccess } from '../core/access.ts'
import { isoTime } from '../core/upload-view.ts'
import { requireDomain } from '../middleware/domain.ts'
import { smallBody } from '../middleware/small-body.ts'
import { makeLinkToken } from '../services/tokens/make-link-token.ts'
import { makeUploadToken } from '../services/tokens/make-upload-token.ts'
import { uploadUrl } from './addresses.ts'
import { domainQuery, idParam, json, jsonBody, problemResponses } from './schemas.ts'
import {
  downloadLinkRequestSchema,
  downloadLinkSchema,
  uploadTokenRequestSchema,
  uploadTokenSchema,
} from './token-schemas.ts'

const uploadToken = createRoute({
  method: 'post',
  path: '/v1/upload-tokens',
  summary: 'Make an upload token',
  description:
    'For a client that is to upload and has no key, such as a browser. By a key with the scope `upload`, or the administrator. It is sent as `Authorization: Bearer`.',
  middleware: [smallBody()] as const,
  request: {
    query: domainQuery,
    body: jsonBody(uploadTokenRequestSchema),
  },
  responses: {
    201: {
      description: 'The token. It is kept nowhere.',
      content: json(uploadTokenSchema),
    },
    ...problemResponses(400, 401, 403, 404, 409, 413, 415, 429, 500, 503),
  },
})

const link = createRoute({
  method: 'post',
  path: '/v1/uploads/{id}/links',
  summary: 'Make a download link',
  description:
    'An address at which anybody reads the content, until it expires or the upload is deleted. By a key with the scope `read`, or the administrator.',
  middleware: [smallBody()] as const,
  request: {
    params: idParam,
    query: domainQuery,
    body: jsonBody(downloadLinkRequestSchema),
  },
  responses: {
    201: {
      description: 'The link.',
      content: json(downloadLinkSchema),
    },
    ...problemResponses(400, 401, 403, 404, 409, 410, 413, 415, 429, 500, 503),
  },
})

/** What a key holder hands on to those who have no key: upload tokens and download links. */
export const tokenRoutes = new OpenAPIHono<AppEnv>()
  .openapi(uploadToken, async (c) => {
    const domain = requireDomain(c)
    requireAccess(c.var.credential, 'make-upload-token', domain)
    const { signingSecrets: secrets, now } = c.var.deps
    const made = await makeUploadToken({ secrets, now }, domain, c.var.credential, c.req.valid('json'))
    c.header('Cache-Control', 'no-store')
    return c.json({ token: made.token, expiresAt: isoTime(made.expiresAt) }, 201)
  })
  .openapi(link, async (c) => {
    const domain = requireDomain(c)
    const { id } = c.req.valid('param')
    requireAccess(c.var.credential, 'make-link', domain, id)
    const { databaseFor, signingSecrets: secrets, now } = c.var.deps
    const parts = { db: databaseFor(domain), secrets, now }
    const made = await makeLinkToken(parts, { domainId: domain.id, id }, c.req.valid('json'))
    const url = new URL(uploadUrl(c, domain, id, '/content'))
    url.searchParams.set('token', made.token)
    c.header('Cache-Control', 'no-store')
    return c.json({ url: url.href, expiresAt: isoTime(made.expiresAt) }, 201)
  })
