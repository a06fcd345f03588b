import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { AppContext, AppEnv } from '../context.ts'
import { isoTime, isoTimeOrNull } from '../core/upload-view.ts'
import { defaultEventTypes, webhookEventTypes } from '../core/webhook.ts'
import { manager } from '../middleware/credential.ts'
import { smallBody } from '../middleware/small-body.ts'
import { findOpenDomain } from '../services/domains/find-domain.ts'
import { sendTest } from '../services/webhooks/deliveries.ts'
import {
  changeEndpoint,
  createEndpoint,
  deleteEndpoint,
  findEndpoint,
  listEndpoints,
  rotateSecret,
} from '../services/webhooks/endpoints.ts'
import { deliverySchema, serialiseDelivery } from './deliveries.ts'
import { slugParam } from './domain-schemas.ts'
import { json, jsonBody, problemResponses } from './schemas.ts'

const time = z.iso.datetime()
const events = z.array(z.enum(webhookEventTypes)).min(1).max(webhookEventTypes.length)
const url = z.string().max(2000).describe('https, a public host by its name, no user, no fragment.')
const description = z.string().max(200)

const endpointSchema = z
  .object({
    id: z.uuid(),
    url: z.url(),
    events,
    description,
    enabled: z.boolean(),
    disabledAt: time.nullable(),
    disabledReason: z
      .enum(['manual', 'gone', 'failing'])
      .nullable()
      .describe('`gone`: it answered 410. `failing`: it did nothing but fail for five days.'),
    failingSince: time.nullable().describe('Since when every attempt has failed; null when the last one did not.'),
    previousSecretUntil: time.nullable().describe('Until then the secret before the present one signs as well.'),
    createdAt: time,
  })
  .openapi('WebhookEndpoint')

const withSecret = endpointSchema
  .extend({ secret: z.string().describe('`whsec_…`, as the libraries of Standard Webhooks take it.') })
  .openapi('NewWebhookEndpoint')

const endpointParam = slugParam.extend({
  endpointId: z
    .string()
    .max(100)
    .openapi({ param: { name: 'endpointId', in: 'path' } }),
})

const theEndpoint = { description: 'The endpoint.', content: json(endpointSchema) }

const create = createRoute({
  method: 'post',
  path: '/v1/domains/{slug}/webhooks',
  summary: 'Have an endpoint told what becomes of a domain’s uploads',
  middleware: [smallBody(), manager()] as const,
  request: {
    params: slugParam,
    body: jsonBody(
      z.strictObject({
        url,
        events: events.default([...defaultEventTypes]),
        description: description.default(''),
        enabled: z.boolean().default(true),
      }),
    ),
  },
  responses: {
    201: { description: 'The endpoint, with its secret: shown this once.', content: json(withSecret) },
    ...problemResponses(400, 401, 403, 404, 409, 413, 415, 422, 500, 503),
  },
})

const list = createRoute({
  method: 'get',
  path: '/v1/domains/{slug}/webhooks',
  summary: 'List a domain’s webhook endpoints, at most twenty',
  middleware: [manager()] as const,
  request: { params: slugParam },
  responses: {
    200: {
      description: 'In the order in which they were made.',
      content: json(z.object({ endpoints: z.array(endpointSchema) })),
    },
    ...problemResponses(400, 401, 403, 404, 500, 503),
  },
})

const show = createRoute({
  method: 'get',
  path: '/v1/domains/{slug}/webhooks/{endpointId}',
  summary: 'Show a webhook endpoint',
  middleware: [manager()] as const,
  request: { params: endpointParam },
  responses: { 200: theEndpoint, ...problemResponses(400, 401, 403, 404, 500, 503) },
})

const change = createRoute({
  method: 'patch',
  path: '/v1/domains/{slug}/webhooks/{endpointId}',
  summary: 'Change a webhook endpoint; what is not given stays',
  description: 'One that is enabled again gets what happens from then on.',
  middleware: [smallBody(), manager()] as const,
  request: {
    params: endpointParam,
    body: jsonBody(
      z.strictObject({
        url: url.optional(),
        events: events.optional(),
        description: description.optional(),
        enabled: z.boolean().optional(),
      }),
    ),
  },
  responses: { 200: theEndpoint, ...problemResponses(400, 401, 403, 404, 413, 415, 422, 500, 503) },
})

const remove = createRoute({
  method: 'delete',
  path: '/v1/domains/{slug}/webhooks/{endpointId}',
  summary: 'Delete a webhook endpoint',
  middleware: [manager()] as const,
  request: { params: endpointParam },
  responses: {
    204: { description: 'Nothing is sent to it any more.' },
    ...problemResponses(400, 401, 403, 404, 500, 503),
  },
})

const rotate = createRoute({
  method: 'post',
  path: '/v1/domains/{slug}/webhooks/{endpointId}/rotate-secret',
  summary: 'Give a webhook endpoint a new secret',
  description: 'For 24 hours every message has two signatures: one by the new secret, and one by that before it.',
  middleware: [manager()] as const,
  request: { params: endpointParam },
  responses: {
    200: { description: 'The endpoint, with its new secret: shown this once.', content: json(withSecret) },
    ...problemResponses(400, 401, 403, 404, 500, 503),
  },
})

const test = createRoute({
  method: 'post',
  path: '/v1/domains/{slug}/webhooks/{endpointId}/test',
  summary: 'Send a webhook endpoint the event `webhook.test`',
  middleware: [manager()] as const,
  request: { params: endpointParam },
  responses: {
    202: { description: 'The delivery, which is on its way.', content: json(deliverySchema) },
    ...problemResponses(400, 401, 403, 404, 409, 500, 503),
  },
})

/** A domain's webhook endpoints, for the administrator and the domain's own manager. */
export const webhookRoutes = new OpenAPIHono<AppEnv>()
  .openapi(create, async (c) => {
    const { domainId, parts } = await domainParts(c, c.req.valid('param').slug)
    const endpoint = await createEndpoint(parts, domainId, c.req.valid('json'))
    return c.json({ ...serialise(endpoint), secret: endpoint.secret }, 201)
  })
  .openapi(list, async (c) => {
    const { domainId, parts } = await domainParts(c, c.req.valid('param').slug)
    return c.json({ endpoints: (await listEndpoints(parts.db, domainId)).map(serialise) }, 200)
  })
  .openapi(show, async (c) => {
    const { slug, endpointId } = c.req.valid('param')
    const { domainId, parts } = await domainParts(c, slug)
    return c.json(serialise(await findEndpoint(parts.db, domainId, endpointId)), 200)
  })
  .openapi(change, async (c) => {
    const { slug, endpointId } = c.req.valid('param')
    const { domainId, parts } = await domainParts(c, slug)
    return c.json(serialise(await changeEndpoint(parts, domainId, endpointId, c.req.valid('json'))), 200)
  })
  .openapi(remove, async (c) => {
    const { slug, endpointId } = c.req.valid('param')
    const { domainId, parts } = await domainParts(c, slug)
    await deleteEndpoint(parts.db, domainId, endpointId)
    return c.body(null, 204)
  })
  .openapi(rotate, async (c) => {
    const { slug, endpointId } = c.req.valid('param')
    const { domainId, parts } = await domainParts(c, slug)
    const endpoint = await rotateSecret(parts, domainId, endpointId)
    return c.json({ ...serialise(endpoint), secret: endpoint.secret }, 200)
  })
  .openapi(test, async (c) => {
    const { slug, endpointId } = c.req.valid('param')
    const { domainId, parts } = await domainParts(c, slug)
    return c.json(serialiseDelivery(await sendTest(parts, domainId, endpointId)), 202)
  })

async function domainParts(c: AppContext, slug: string) {
  const { name, place } = await findOpenDomain(c.var.deps, slug)
  return { domainId: name.id, parts: { ...c.var.deps, db: place.db } }
}

function serialise(endpoint: Awaited<ReturnType<typeof findEndpoint>>) {
  const { id, url, events, description, disabledAt, disabledReason } = endpoint
  return {
    id,
    url,
    events,
    description,
    enabled: disabledAt === null,
    disabledAt: isoTimeOrNull(disabledAt),
    disabledReason,
    failingSince: isoTimeOrNull(endpoint.failingSince),
    previousSecretUntil: isoTimeOrNull(endpoint.previousSecretUntil),
    createdAt: isoTime(endpoint.createdAt),
  }
}
