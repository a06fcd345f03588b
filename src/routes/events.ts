import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { AppContext, AppEnv } from '../context.ts'
import { requireAccess } from '../core/access.ts'
import type { Domain } from '../core/domain.ts'
import { describeEvent, eventTypeOf } from '../core/file-event.ts'
import { fileStatuses } from '../core/status.ts'
import { requireDomain } from '../middleware/domain.ts'
import { watchingClient } from '../middleware/watching-client.ts'
import { followDomain } from '../services/events/follow-domain.ts'
import { followUpload } from '../services/events/follow-upload.ts'
import { listHistory } from '../services/events/list-history.ts'
import { findUpload } from '../services/find-upload.ts'
import { domainQuery, eventSchema, idParam, json, problemResponses, readQuery } from './schemas.ts'

const history = createRoute({
  method: 'get',
  path: '/v1/uploads/{id}/history',
  summary: 'What has happened to an upload, oldest first',
  request: {
    params: idParam,
    query: readQuery.extend({
      limit: z.coerce.number().int().min(1).max(100).default(50),
      cursor: z.string().max(200).optional().describe('`nextCursor` of the page before.'),
    }),
  },
  responses: {
    200: {
      description: 'One page.',
      content: json(z.object({ events: z.array(eventSchema), nextCursor: z.string().nullable() })),
    },
    ...problemResponses(400, 401, 403, 404, 409, 410, 429, 500, 503),
  },
})

const stream = {
  'text/event-stream': { schema: { type: 'string' } },
} as const

const lastEventId = z.string().max(200).optional()
const followQuery = {
  last_event_id: lastEventId.describe('The same as the header `Last-Event-ID`, which counts more.'),
}
const followHeaders = z.object({
  'last-event-id': lastEventId.describe('The id of the last event received: what came after it follows.'),
})

const followOne = createRoute({
  method: 'get',
  path: '/v1/uploads/{id}/events',
  summary: 'Follow an upload by server-sent events',
  description:
    'Begins with its first event, or goes on after the last one received, and ends when the upload has come to its end. See docs/live.md.',
  request: { params: idParam, query: readQuery.extend(followQuery), headers: followHeaders },
  responses: {
    200: { description: 'Events, until the upload has come to its end.', content: stream },
    204: { description: 'There is nothing more to tell: do not come back.' },
    ...problemResponses(400, 401, 403, 404, 409, 410, 429, 500, 503),
  },
})

const followAll = createRoute({
  method: 'get',
  path: '/v1/events',
  summary: 'Follow all uploads of a domain by server-sent events',
  description: 'Begins now, or goes on after the last event received. See docs/live.md.',
  request: {
    query: domainQuery.extend({
      status: listOf(fileStatuses).describe('Events of these statuses only, separated by commas.'),
      type: listOf(fileStatuses.map((status) => eventTypeOf(status))).describe(
        'Events of these types only, separated by commas.',
      ),
      ...followQuery,
    }),
    headers: followHeaders,
  },
  responses: {
    200: { description: 'Events.', content: stream },
    ...problemResponses(400, 401, 403, 404, 409, 429, 500, 503),
  },
})

/** What happens to uploads, as it has happened and as it happens. */
export const eventRoutes = new OpenAPIHono<AppEnv>()
  .openapi(history, async (c) => {
    const domain = requireDomain(c)
    const { id } = c.req.valid('param')
    requireAccess(c.var.credential, 'read', domain, id)
    const page = await listHistory(c.var.deps.databaseFor(domain), { domainId: domain.id, id }, c.req.valid('query'))
    return c.json({ events: page.events.map(describeEvent), nextCursor: page.nextCursor }, 200)
  })
  .openapi(followOne, async (c) => {
    const domain = requireDomain(c)
    const { id } = c.req.valid('param')
    requireAccess(c.var.credential, 'read', domain, id)
    if (c.req.method === 'HEAD') {
      await findUpload(c.var.deps.databaseFor(domain), { domainId: domain.id, id })
      return c.body(null, 200, streamHeaders)
    }
    const body = await followUpload(followParts(c, domain), domain, id, follower(c))
    return body ? c.body(body, 200, streamHeaders) : c.body(null, 204)
  })
  .openapi(followAll, async (c) => {
    const domain = requireDomain(c)
    requireAccess(c.var.credential, 'list', domain)
    if (c.req.method === 'HEAD') return c.body(null, 200, streamHeaders)
    const { status, type } = c.req.valid('query')
    const asked = fileStatuses.filter(
      (name) => (!status || status.includes(name)) && (!type || type.includes(eventTypeOf(name))),
    )
    const statuses = status || type ? asked : null
    return c.body(await followDomain(followParts(c, domain), domain, statuses, follower(c)), 200, streamHeaders)
  })

const streamHeaders = {
  'Content-Type': 'text/event-stream',
  'Cache-Control': 'no-store',
  // nginx and those who took it from there keep what they forward until they have a lot of it.
  'X-Accel-Buffering': 'no',
}

function followParts({ var: { deps } }: AppContext, domain: Domain) {
  const { databaseFor, watchers, log, random } = deps
  return { db: databaseFor(domain), watchers, log, random }
}

/** Who follows, and the last event that he has; a browser that comes back by itself says so in the header. */
function follower(c: AppContext) {
  const lastEventId = c.req.header('last-event-id') || c.req.query('last_event_id') || undefined
  return { client: watchingClient(c), lastEventId }
}

function listOf<const Names extends readonly string[]>(names: Names) {
  return z
    .string()
    .max(300)
    .transform((text) => text.split(','))
    .pipe(z.array(z.enum(names)).min(1))
    .optional()
}
