import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { AppEnv } from '../context.ts'
import { scopes } from '../core/access.ts'
import { isoTime, isoTimeOrNull } from '../core/upload-view.ts'
import { manager } from '../middleware/credential.ts'
import { smallBody } from '../middleware/small-body.ts'
import { createApiKey, listApiKeys, revokeApiKey } from '../services/api-keys.ts'
import { findOpenDomain } from '../services/domains/find-domain.ts'
import { pageQuery, slugParam } from './domain-schemas.ts'
import { json, jsonBody, problemResponses } from './schemas.ts'

const time = z.iso.datetime()

const keySchema = z
  .object({
    id: z.uuid(),
    label: z.string(),
    scopes: z.array(z.enum(scopes)),
    createdAt: time,
    expiresAt: time.nullable(),
    lastUsedAt: time.nullable().describe('To within some minutes; null until its first use.'),
  })
  .openapi('ApiKey')

const create = createRoute({
  method: 'post',
  path: '/v1/domains/{slug}/keys',
  summary: 'Make an API key for a domain',
  middleware: [smallBody(), manager()] as const,
  request: {
    params: slugParam,
    body: jsonBody(
      z.strictObject({
        label: z.string().max(100).default(''),
        scopes: z.array(z.enum(scopes)).min(1),
        expiresAt: z.iso.datetime({ offset: true }).nullable().default(null),
      }),
    ),
  },
  responses: {
    201: {
      description: 'The key, shown this once.',
      content: json(keySchema.extend({ key: z.string() }).openapi('NewApiKey')),
    },
    ...problemResponses(400, 401, 403, 404, 409, 413, 415, 500, 503),
  },
})

const list = createRoute({
  method: 'get',
  path: '/v1/domains/{slug}/keys',
  summary: 'List a domain’s API keys that are not revoked',
  middleware: [manager()] as const,
  request: { params: slugParam, query: pageQuery.extend({ cursor: z.uuid().optional() }) },
  responses: {
    200: {
      description: 'One page, in the order in which they were made. The keys themselves are not kept.',
      content: json(z.object({ keys: z.array(keySchema), nextCursor: z.string().nullable() })),
    },
    ...problemResponses(400, 401, 403, 404, 500, 503),
  },
})

const remove = createRoute({
  method: 'delete',
  path: '/v1/domains/{slug}/keys/{keyId}',
  summary: 'Revoke an API key',
  middleware: [manager()] as const,
  request: {
    params: slugParam.extend({
      keyId: z.uuid().openapi({ param: { name: 'keyId', in: 'path' } }),
    }),
  },
  responses: {
    204: { description: 'The key is revoked.' },
    ...problemResponses(400, 401, 403, 404, 500, 503),
  },
})

/** A domain's keys, for the administrator and the domain's own manager. */
export const domainKeyRoutes = new OpenAPIHono<AppEnv>()
  .openapi(create, async (c) => {
    const { name, place } = await findOpenDomain(c.var.deps, c.req.valid('param').slug)
    const { label, scopes, expiresAt } = c.req.valid('json')
    const key = await createApiKey({ db: place.db, now: c.var.deps.now }, name.id, {
      label,
      scopes,
      expiresAt: expiresAt === null ? null : Date.parse(expiresAt),
    })
    return c.json({ ...serialise(key), key: key.key }, 201)
  })
  .openapi(list, async (c) => {
    const { name, place } = await findOpenDomain(c.var.deps, c.req.valid('param').slug)
    const page = await listApiKeys(place.db, name.id, c.req.valid('query'))
    return c.json({ keys: page.keys.map(serialise), nextCursor: page.nextCursor }, 200)
  })
  .openapi(remove, async (c) => {
    const { slug, keyId } = c.req.valid('param')
    const { name, place } = await findOpenDomain(c.var.deps, slug)
    const { keyCache, now } = c.var.deps
    await revokeApiKey({ db: place.db, cache: keyCache, now }, name.id, keyId)
    return c.body(null, 204)
  })

function serialise(key: Awaited<ReturnType<typeof listApiKeys>>['keys'][number]) {
  return {
    id: key.id,
    label: key.label,
    scopes: key.scopes,
    createdAt: isoTime(key.createdAt),
    expiresAt: isoTimeOrNull(key.expiresAt),
    lastUsedAt: isoTimeOrNull(key.lastUsedAt),
  }
}
