import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { AppContext, AppEnv } from '../context.ts'
import { scopes } from '../core/access.ts'
import type { Domain } from '../core/domain.ts'
import { isSlug } from '../core/host.ts'
import { policySchema } from '../core/policy.ts'
import { administrator } from '../middleware/credential.ts'
import { domainNotFound } from '../middleware/domain.ts'
import { smallBody } from '../middleware/small-body.ts'
import { createApiKey, revokeApiKey } from '../services/api-keys.ts'
import { createDomain } from '../services/create-domain.ts'
import { problemResponses } from './schemas.ts'
import { isoTime } from './serialise-upload.ts'

const slugSchema = z.string().refine(isSlug, 'is no slug: use 1 to 63 lower-case letters, digits and inner hyphens')
const slugParam = z.object({
  slug: z.string().openapi({ param: { name: 'slug', in: 'path' } }),
})

const domainSchema = z
  .object({
    id: z.uuid(),
    slug: z.string(),
    hostnames: z.array(z.string()),
    policy: policySchema,
    createdAt: z.iso.datetime(),
  })
  .openapi('Domain')

const create = createRoute({
  method: 'post',
  path: '/v1/domains',
  summary: 'Make a domain',
  middleware: [smallBody(), administrator()] as const,
  request: {
    body: {
      required: true,
      content: {
        'application/json': {
          schema: z.strictObject({
            slug: slugSchema.describe('Its name: a DNS label, served at `<slug>.<BASE_DOMAIN>`.'),
            hostnames: z.array(z.string().max(260)).max(50).default([]).describe('Hostnames of its own.'),
            policy: policySchema.prefault({}),
          }),
        },
      },
    },
  },
  responses: {
    201: {
      description: 'The domain.',
      content: { 'application/json': { schema: domainSchema } },
    },
    ...problemResponses(400, 401, 403, 409, 413, 415, 500),
  },
})

const keySchema = z.object({
  id: z.uuid(),
  label: z.string(),
  scopes: z.array(z.enum(scopes)),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime().nullable(),
})

const createKey = createRoute({
  method: 'post',
  path: '/v1/domains/{slug}/keys',
  summary: 'Make an API key for a domain',
  middleware: [smallBody(), administrator()] as const,
  request: {
    params: slugParam,
    body: {
      required: true,
      content: {
        'application/json': {
          schema: z.strictObject({
            label: z.string().max(100).default(''),
            scopes: z.array(z.enum(scopes)).min(1),
            expiresAt: z.iso.datetime({ offset: true }).nullable().default(null),
          }),
        },
      },
    },
  },
  responses: {
    201: {
      description: 'The key, shown this once.',
      content: {
        'application/json': {
          schema: keySchema.extend({ key: z.string() }).openapi('NewApiKey'),
        },
      },
    },
    ...problemResponses(400, 401, 403, 404, 413, 415, 500),
  },
})

const removeKey = createRoute({
  method: 'delete',
  path: '/v1/domains/{slug}/keys/{keyId}',
  summary: 'Revoke an API key',
  middleware: [administrator()] as const,
  request: {
    params: slugParam.extend({
      keyId: z.uuid().openapi({ param: { name: 'keyId', in: 'path' } }),
    }),
  },
  responses: {
    204: { description: 'The key is revoked.' },
    ...problemResponses(400, 401, 403, 404, 500),
  },
})

/** Administration of domains, for the administrator. */
export const domainRoutes = new OpenAPIHono<AppEnv>()
  .openapi(create, async (c) => {
    const { control, databaseFor, env, now } = c.var.deps
    const domain = await createDomain({ control, databaseFor, baseDomain: env.BASE_DOMAIN, now }, c.req.valid('json'))
    const { id, slug, hostnames, policy, createdAt } = domain
    return c.json({ id, slug, hostnames, policy, createdAt: isoTime(createdAt) }, 201)
  })
  .openapi(createKey, async (c) => {
    const domain = await domainBySlug(c, c.req.valid('param').slug)
    const { label, scopes, expiresAt } = c.req.valid('json')
    const { databaseFor, now } = c.var.deps
    const key = await createApiKey({ db: databaseFor(domain), now }, domain.id, {
      label,
      scopes,
      expiresAt: expiresAt === null ? null : Date.parse(expiresAt),
    })
    return c.json(
      {
        id: key.id,
        label,
        scopes,
        createdAt: isoTime(key.createdAt),
        expiresAt,
        key: key.key,
      },
      201,
    )
  })
  .openapi(removeKey, async (c) => {
    const { slug, keyId } = c.req.valid('param')
    const domain = await domainBySlug(c, slug)
    const { databaseFor, now } = c.var.deps
    await revokeApiKey({ db: databaseFor(domain), now }, domain.id, keyId)
    return c.body(null, 204)
  })

async function domainBySlug(c: AppContext, slug: string): Promise<Domain> {
  const domain = await c.var.deps.directory.bySlug(slug)
  if (!domain) throw domainNotFound(slug)
  return domain
}
