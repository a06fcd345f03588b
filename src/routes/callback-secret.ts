import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { AppEnv } from '../context.ts'
import { isoTimeOrNull } from '../core/upload-view.ts'
import { manager } from '../middleware/credential.ts'
import { findOpenDomain } from '../services/domains/find-domain.ts'
import { renewCallbackSecret, showCallbackSecret } from '../services/webhooks/callback-secret.ts'
import { slugParam } from './domain-schemas.ts'
import { json, problemResponses } from './schemas.ts'

const time = z.iso.datetime()

const callbackSecretSchema = z
  .object({
    createdAt: time
      .nullable()
      .describe('Since when the present secret signs; null before the first one was asked for.'),
    previousSecretUntil: time.nullable().describe('Until then the secret before it signs as well.'),
  })
  .openapi('CallbackSecret')

const show = createRoute({
  method: 'get',
  path: '/v1/domains/{slug}/callback-secret',
  summary: 'Show since when the callbacks of a domain’s uploads are signed with their present secret',
  middleware: [manager()] as const,
  request: { params: slugParam },
  responses: {
    200: { description: 'Everything but the secret.', content: json(callbackSecretSchema) },
    ...problemResponses(400, 401, 403, 404, 500, 503),
  },
})

const renew = createRoute({
  method: 'post',
  path: '/v1/domains/{slug}/callback-secret',
  summary: 'Give the callbacks of a domain’s uploads a new secret',
  description: 'For 24 hours every callback has two signatures: one by the new secret, and one by that before it.',
  middleware: [manager()] as const,
  request: { params: slugParam },
  responses: {
    201: {
      description: 'The new secret, shown this once.',
      content: json(callbackSecretSchema.extend({ secret: z.string() }).openapi('NewCallbackSecret')),
    },
    ...problemResponses(400, 401, 403, 404, 500, 503),
  },
})

/** What the callbacks of a domain are signed with, for the administrator and the domain's own manager. */
export const callbackSecretRoutes = new OpenAPIHono<AppEnv>()
  .openapi(show, async (c) => {
    const { name, place } = await findOpenDomain(c.var.deps, c.req.valid('param').slug)
    return c.json(serialise(await showCallbackSecret(place.db, name.id)), 200)
  })
  .openapi(renew, async (c) => {
    const { name, place } = await findOpenDomain(c.var.deps, c.req.valid('param').slug)
    const renewed = await renewCallbackSecret({ ...c.var.deps, db: place.db }, name.id)
    return c.json({ ...serialise(renewed), secret: renewed.secret }, 201)
  })

function serialise(secret: Awaited<ReturnType<typeof showCallbackSecret>>) {
  return {
    createdAt: isoTimeOrNull(secret?.createdAt ?? null),
    previousSecretUntil: isoTimeOrNull(secret?.previousSecretUntil ?? null),
  }
}
