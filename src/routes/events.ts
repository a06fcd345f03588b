import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { AppEnv } from '../context.ts'
import { requireAccess } from '../core/access.ts'
import { describeEvent } from '../core/file-event.ts'
import { requireDomain } from '../middleware/domain.ts'
import { listHistory } from '../services/events/list-history.ts'
import { eventSchema, idParam, json, problemResponses, readQuery } from './schemas.ts'

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

/** What happens to uploads, as it has happened. */
export const eventRoutes = new OpenAPIHono<AppEnv>().openapi(history, async (c) => {
  const domain = requireDomain(c)
  const { id } = c.req.valid('param')
  requireAccess(c.var.credential, 'read', domain, id)
  const page = await listHistory(c.var.deps.databaseFor(domain), { domainId: domain.id, id }, c.req.valid('query'))
  return c.json({ events: page.events.map(describeEvent), nextCursor: page.nextCursor }, 200)
})
