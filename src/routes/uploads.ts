import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { AppContext, AppEnv } from '../context.ts'
import { requireAccess } from '../core/access.ts'
import type { Domain } from '../core/domain.ts'
import { readWait } from '../core/prefer.ts'
import { fileStatuses } from '../core/status.ts'
import { viewTimes } from '../core/upload-view.ts'
import { isResumable, type UploadedFile } from '../core/uploaded-file.ts'
import { maxWaitSeconds } from '../core/watch.ts'
import { requireDomain } from '../middleware/domain.ts'
import { watchingClient } from '../middleware/watching-client.ts'
import { deleteUpload } from '../services/delete-upload.ts'
import { describeProgress, describeUpload } from '../services/describe-upload.ts'
import { waitForChange } from '../services/events/wait-for-change.ts'
import { listUploads } from '../services/list-uploads.ts'
import { isReadable } from '../services/read-content.ts'
import { reprocessUpload } from '../services/reprocess-upload.ts'
import { uploadUrl } from './addresses.ts'
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
import { serialiseSteps, serialiseUpload, serialiseVariants } from './serialise-upload.ts'

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
  description:
    'With `Prefer: wait=N` (RFC 7240) it waits up to N seconds, at most 60, for the upload to change. It answers at once when that has happened already, or when nothing more happens by itself.',
  request: {
    params: idParam,
    query: readQuery.extend({
      after: z.coerce
        .number()
        .int()
        .min(0)
        .optional()
        .describe(
          'With `Prefer: wait`: the number of the last event you know of (`lastEvent`); the newest one unless given.',
        ),
    }),
    headers: z.object({ prefer: z.string().optional().describe('`wait=N`') }),
  },
  responses: {
    200: {
      description: 'Its status.',
      headers: z.object({ 'Preference-Applied': z.string().optional() }),
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
    const { file, runs, variants } = await describeUpload(c.var.deps.databaseFor(domain), { domainId: domain.id, id })
    return c.json(
      {
        ...serialiseUpload(c, domain, file),
        steps: serialiseSteps(domain, file, runs),
        variants: isReadable(file, domain.policy) ? serialiseVariants(c, domain, file, variants) : [],
      },
      200,
    )
  })
  .openapi(status, async (c) => {
    const domain = requireDomain(c)
    const { id } = c.req.valid('param')
    requireAccess(c.var.credential, 'read', domain, id)
    const { databaseFor, watchers } = c.var.deps
    const db = databaseFor(domain)
    const seconds = readWait(c.req.header('prefer'), maxWaitSeconds)
    c.header('Vary', 'Prefer', { append: true })
    if (seconds !== null) {
      const { after } = c.req.valid('query')
      await waitForChange({ db, watchers }, domain, id, { seconds, after, client: watchingClient(c) })
      c.header('Preference-Applied', `wait=${seconds}`)
    }
    const { file, runs } = await describeProgress(db, { domainId: domain.id, id })
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
        received: await received(c, domain, file),
        ...viewTimes(file),
      },
      200,
    )
  })
  .openapi(remove, async (c) => {
    const domain = requireDomain(c)
    requireAccess(c.var.credential, 'delete', domain)
    const { databaseFor, storageFor } = c.var.deps
    const { jurisdiction } = domain
    const parts = { ...c.var.deps, db: databaseFor(domain), storage: storageFor(domain), jurisdiction }
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

/** How much of a resumable upload has come in so far, as its session knows; null for every other file. */
async function received(c: AppContext, domain: Domain, { id, status, protocol }: UploadedFile) {
  if (status !== 'uploading' || !isResumable(protocol)) return null
  const view = await c.var.deps.sessions.view(domain, id)
  if (!view) return null
  const { receivedBytes: bytes, length } = view
  return { bytes, ofBytes: length, percent: length === null ? null : Math.floor((bytes / Math.max(length, 1)) * 100) }
}
