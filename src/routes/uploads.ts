import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { AppEnv } from '../context.ts'
import { requireAccess } from '../core/access.ts'
import { fileStatuses } from '../core/status.ts'
import { viewTimes } from '../core/upload-view.ts'
import { requireDomain } from '../middleware/domain.ts'
import { deleteUpload } from '../services/delete-upload.ts'
import { describeUpload } from '../services/describe-upload.ts'
import { listUploads } from '../services/list-uploads.ts'
import { reprocessUpload } from '../services/reprocess-upload.ts'
import {
  domainQuery,
  idParam,
  json,
  problemResponses,
  readQuery,
  statusSchema,
  uploadDetailSchema,
  uploadSchema,
} from './schemas.ts'
import { serialiseSteps, serialiseUpload, uploadUrl } from './serialise-upload.ts'

const time = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text))

const list = createRoute({
  method: 'get',
  path: '/v1/uploads',
  summary: 'List a domain’s uploads, newest first',
  request: {
    query: domainQuery.extend({
      status: z.enum(fileStatuses).optional(),
      type: z.string().max(200).optional().describe('A media type, or a group such as `image/*`.'),
      created_after: time.optional(),
      created_before: time.optional(),
      limit: z.coerce.number().int().min(1).max(100).default(50),
      cursor: z.string().max(200).optional().describe('`nextCursor` of the page before.'),
    }),
  },
  responses: {
    200: {
      description: 'One page.',
      content: json(
        z.object({
          uploads: z.array(uploadSchema),
          nextCursor: z.string().nullable(),
        }),
      ),
    },
    ...problemResponses(400, 401, 403, 404, 409, 429, 500, 503),
  },
})

const show = createRoute({
  method: 'get',
  path: '/v1/uploads/{id}',
  summary: 'Everything about one upload',
  request: { params: idParam, query: readQuery },
  responses: {
    200: {
      description: 'The upload.',
      content: json(uploadDetailSchema),
    },
    ...problemResponses(400, 401, 403, 404, 409, 410, 429, 500, 503),
  },
})

const status = createRoute({
  method: 'get',
  path: '/v1/uploads/{id}/status',
  summary: 'How far an upload is',
  request: { params: idParam, query: readQuery },
  responses: {
    200: {
      description: 'Its status.',
      content: json(statusSchema),
    },
    ...problemResponses(400, 401, 403, 404, 409, 410, 429, 500, 503),
  },
})

const remove = createRoute({
  method: 'delete',
  path: '/v1/uploads/{id}',
  summary: 'Delete an upload',
  request: { params: idParam, query: domainQuery },
  responses: {
    204: { description: 'It is deleted; afterwards 410.' },
    ...problemResponses(400, 401, 403, 404, 409, 410, 429, 500, 503),
  },
})

const reprocess = createRoute({
  method: 'post',
  path: '/v1/uploads/{id}/reprocess',
  summary: 'Send a finished upload through processing again',
  request: { params: idParam, query: domainQuery },
  responses: {
    202: {
      description: 'It is pending again.',
      content: json(uploadSchema),
    },
    ...problemResponses(400, 401, 403, 404, 409, 410, 429, 500, 503),
  },
})

/** What is known of uploads, and what may be done with them. */
export const uploadRoutes = new OpenAPIHono<AppEnv>()
  .openapi(list, async (c) => {
    const domain = requireDomain(c)
    requireAccess(c.var.credential, 'list', domain)
    const query = c.req.valid('query')
    const filter = {
      status: query.status,
      type: query.type,
      createdAfter: query.created_after,
      createdBefore: query.created_before,
    }
    const page = await listUploads(c.var.deps.databaseFor(domain), domain.id, filter, query)
    const uploads = page.uploads.map((file) => serialiseUpload(c, domain, file))
    return c.json({ uploads, nextCursor: page.nextCursor }, 200)
  })
  .openapi(show, async (c) => {
    const domain = requireDomain(c)
    const { id } = c.req.valid('param')
    requireAccess(c.var.credential, 'read', domain, id)
    const { file, runs } = await describeUpload(c.var.deps.databaseFor(domain), { domainId: domain.id, id })
    return c.json(
      {
        ...serialiseUpload(c, domain, file),
        steps: serialiseSteps(domain, file, runs),
      },
      200,
    )
  })
  .openapi(status, async (c) => {
    const domain = requireDomain(c)
    const { id } = c.req.valid('param')
    requireAccess(c.var.credential, 'read', domain, id)
    const { file, runs } = await describeUpload(c.var.deps.databaseFor(domain), { domainId: domain.id, id })
    const { status, failure, generation, attempts, lastEvent } = file
    const steps = serialiseSteps(domain, file, runs).map(({ name, status, progress }) => ({ name, status, progress }))
    return c.json(
      {
        id,
        status,
        failure,
        steps,
        generation,
        attempts,
        lastEvent,
        ...viewTimes(file),
      },
      200,
    )
  })
  .openapi(remove, async (c) => {
    const domain = requireDomain(c)
    requireAccess(c.var.credential, 'delete', domain)
    const { databaseFor, storageFor } = c.var.deps
    const parts = { ...c.var.deps, db: databaseFor(domain), storage: storageFor(domain) }
    await deleteUpload(parts, {
      domainId: domain.id,
      id: c.req.valid('param').id,
    })
    return c.body(null, 204)
  })
  .openapi(reprocess, async (c) => {
    const domain = requireDomain(c)
    requireAccess(c.var.credential, 'reprocess', domain)
    const parts = { ...c.var.deps, db: c.var.deps.databaseFor(domain) }
    const file = await reprocessUpload(parts, {
      domainId: domain.id,
      id: c.req.valid('param').id,
    })
    c.header('Location', uploadUrl(c, domain, file.id))
    return c.json(serialiseUpload(c, domain, file), 202)
  })
