import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { AppEnv } from '../context.ts'
import { requireAccess } from '../core/access.ts'
import { requireDomain } from '../middleware/domain.ts'
import { findUpload } from '../services/find-upload.ts'
import { findReadableVariant, openContent, openVariant, requireReadable } from '../services/read-content.ts'
import { idParam, problemResponses, readQuery } from './schemas.ts'
import { bytesContent, serveBytes } from './serve-bytes.ts'

const responses = {
  200: { description: 'All of it.', content: bytesContent },
  206: { description: 'The range asked for.', content: bytesContent },
  304: { description: 'The client has it already.' },
  ...problemResponses(400, 401, 403, 404, 409, 410, 412, 416, 429, 500, 503),
}
const description = 'Takes `Range` (one range), `If-Range`, `If-None-Match` and `If-Match`; the ETag is the SHA-256.'

const content = createRoute({
  method: 'get',
  path: '/v1/uploads/{id}/content',
  summary: 'The bytes of an upload',
  description,
  request: { params: idParam, query: readQuery },
  responses,
})

const variant = createRoute({
  method: 'get',
  path: '/v1/uploads/{id}/variants/{name}',
  summary: 'The bytes of one variant of an upload',
  description,
  request: {
    params: idParam.extend({
      name: z
        .string()
        .max(100)
        .openapi({ param: { name: 'name', in: 'path' } }),
    }),
    query: readQuery,
  },
  responses,
})

/** Bytes out: `GET` and `HEAD` of `/v1/uploads/{id}/content`, and of `/v1/uploads/{id}/variants/{name}`. */
export const contentRoutes = new OpenAPIHono<AppEnv>()
contentRoutes.openapi(content, async (c) => {
  const domain = requireDomain(c)
  const { id } = c.req.valid('param')
  const { credential, deps } = c.var
  requireAccess(credential, 'read-content', domain, id)
  const file = await findUpload(deps.databaseFor(domain), { domainId: domain.id, id })
  requireReadable(file, domain.policy, credential)
  const { sha256, size, type, charset } = file
  const forcedName = credential.kind === 'read-token' ? credential.link?.filename : null
  return serveBytes(c, {
    ...{ sha256, size, type, charset },
    filename: forcedName ?? file.filename,
    publicRead: domain.policy.publicRead,
    open: (range) => openContent(deps.storageFor(domain), file, range),
  })
})
contentRoutes.openapi(variant, async (c) => {
  const domain = requireDomain(c)
  const { id, name } = c.req.valid('param')
  const { credential, deps } = c.var
  requireAccess(credential, 'read-content', domain, id)
  const { filename, variant } = await findReadableVariant(
    deps.databaseFor(domain),
    { domainId: domain.id, id, name },
    domain.policy,
  )
  const { sha256, size, type } = variant
  return serveBytes(c, {
    ...{ sha256, size, type, filename },
    charset: null,
    publicRead: domain.policy.publicRead,
    open: (range) => openVariant(deps.storageFor(domain), variant, range),
  })
})
