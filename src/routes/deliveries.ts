import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { AppEnv } from '../context.ts'
import { isoTime, isoTimeOrNull } from '../core/upload-view.ts'
import { deliveryStatuses } from '../core/webhook.ts'
import { manager } from '../middleware/credential.ts'
import { findOpenDomain } from '../services/domains/find-domain.ts'
import { listDeliveries, redeliver } from '../services/webhooks/deliveries.ts'
import { pageQuery, slugParam } from './domain-schemas.ts'
import { json, problemResponses } from './schemas.ts'

const time = z.iso.datetime()

export const deliverySchema = z
  .object({
    id: z.uuid().describe('What every attempt carries as `webhook-id`.'),
    endpointId: z.uuid().nullable().describe('Null for the callback of an upload.'),
    callbackUrl: z.url().nullable(),
    type: z.string().describe('The type of the event.'),
    uploadId: z.uuid().nullable(),
    number: z.int().nullable().describe('The number of the event among those of its upload.'),
    generation: z.int().nullable(),
    status: z.enum(deliveryStatuses),
    round: z.int().describe('1, and one more each time that it is sent again by hand.'),
    attempts: z.int().describe('In this round.'),
    nextAttemptAt: time.nullable().describe('No attempt before then; null when it is due, or ended.'),
    lastAttempt: z
      .object({
        at: time,
        responseStatus: z.int().nullable().describe('Null when there was no answer.'),
        responseBody: z.string().nullable().describe('The first 1 KB of the answer.'),
        error: z.string().nullable().describe('Why there was no answer.'),
        durationMs: z.int(),
      })
      .nullable(),
    createdAt: time,
    finishedAt: time.nullable(),
  })
  .openapi('WebhookDelivery')

const list = createRoute({
  method: 'get',
  path: '/v1/domains/{slug}/deliveries',
  summary: 'List what was sent, or is to be sent, to a domain’s endpoints and callbacks',
  middleware: [manager()] as const,
  request: {
    params: slugParam,
    query: pageQuery.extend({
      cursor: z.uuid().optional(),
      endpoint: z.uuid().optional(),
      upload: z.uuid().optional(),
      status: z.enum(deliveryStatuses).optional(),
    }),
  },
  responses: {
    200: {
      description: 'One page, newest first.',
      content: json(z.object({ deliveries: z.array(deliverySchema), nextCursor: z.string().nullable() })),
    },
    ...problemResponses(400, 401, 403, 404, 500, 503),
  },
})

const again = createRoute({
  method: 'post',
  path: '/v1/domains/{slug}/deliveries/{deliveryId}/redeliver',
  summary: 'Send a delivery again, under the same id',
  middleware: [manager()] as const,
  request: {
    params: slugParam.extend({
      deliveryId: z
        .string()
        .max(100)
        .openapi({ param: { name: 'deliveryId', in: 'path' } }),
    }),
  },
  responses: {
    202: { description: 'The delivery, which is on its way.', content: json(deliverySchema) },
    ...problemResponses(400, 401, 403, 404, 409, 500, 503),
  },
})

/** What a domain has sent by webhook, for the administrator and the domain's own manager. */
export const deliveryRoutes = new OpenAPIHono<AppEnv>()
  .openapi(list, async (c) => {
    const { name, place } = await findOpenDomain(c.var.deps, c.req.valid('param').slug)
    const { endpoint: endpointId, upload: fileId, status, ...page } = c.req.valid('query')
    const found = await listDeliveries(place.db, name.id, { endpointId, fileId, status }, page)
    return c.json({ deliveries: found.deliveries.map(serialiseDelivery), nextCursor: found.nextCursor }, 200)
  })
  .openapi(again, async (c) => {
    const { slug, deliveryId } = c.req.valid('param')
    const { name, place } = await findOpenDomain(c.var.deps, slug)
    return c.json(serialiseDelivery(await redeliver({ ...c.var.deps, db: place.db }, name.id, deliveryId)), 202)
  })

export function serialiseDelivery(delivery: Awaited<ReturnType<typeof redeliver>>) {
  const { id, endpointId, callbackUrl, eventType, fileId, number, fileGeneration, status, round, attempts } = delivery
  const { lastAttemptAt, responseStatus, responseBody, error, durationMs } = delivery
  return {
    id,
    endpointId,
    callbackUrl,
    type: eventType,
    uploadId: fileId,
    number,
    generation: fileGeneration,
    status,
    round,
    attempts,
    nextAttemptAt: isoTimeOrNull(delivery.nextAttemptAt),
    lastAttempt:
      lastAttemptAt === null
        ? null
        : { at: isoTime(lastAttemptAt), responseStatus, responseBody, error, durationMs: durationMs ?? 0 },
    createdAt: isoTime(delivery.createdAt),
    finishedAt: isoTimeOrNull(delivery.finishedAt),
  }
}
