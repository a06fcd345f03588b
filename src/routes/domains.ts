import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { AppEnv } from '../context.ts'
import { maxHostnames } from '../core/host.ts'
import { jurisdictions } from '../core/jurisdiction.ts'
import { policyChangeSchema, policySchema } from '../core/policy.ts'
import { administrator, manager } from '../middleware/credential.ts'
import { smallBody } from '../middleware/small-body.ts'
import { changeDomain } from '../services/domains/change-domain.ts'
import { createDomain } from '../services/domains/create-domain.ts'
import { deleteDomain, restoreDomain } from '../services/domains/delete-domain.ts'
import { describeDomain, findDomainRecord, findOpenDomain } from '../services/domains/find-domain.ts'
import { listDomains } from '../services/domains/list-domains.ts'
import { changesFrom, domainSchema, pageQuery, serialiseDomain, slugParam, slugSchema } from './domain-schemas.ts'
import { json, jsonBody, problemResponses } from './schemas.ts'

const theDomain = { description: 'The domain.', content: json(domainSchema) }

const create = createRoute({
  method: 'post',
  path: '/v1/domains',
  summary: 'Make a domain',
  middleware: [smallBody(), administrator()] as const,
  request: {
    body: jsonBody(
      z.strictObject({
        slug: slugSchema.describe('Its name: a DNS label, served at `<slug>.<BASE_DOMAIN>`.'),
        hostnames: z.array(z.string().max(260)).max(maxHostnames).default([]).describe('Hostnames of its own.'),
        policy: policySchema.prefault({}),
        jurisdiction: z
          .enum(jurisdictions)
          .nullable()
          .default(null)
          .describe('Where its data must stay. It can not be changed later.'),
      }),
    ),
  },
  responses: { 201: theDomain, ...problemResponses(400, 401, 403, 409, 413, 415, 500, 503) },
})

const list = createRoute({
  method: 'get',
  path: '/v1/domains',
  summary: 'List the domains by their slugs',
  middleware: [administrator()] as const,
  request: {
    query: pageQuery.extend({
      deleted: z
        .enum(['true', 'false'])
        .default('false')
        .describe('Those that were deleted and can still be restored.'),
    }),
  },
  responses: {
    200: {
      description: 'One page.',
      content: json(z.object({ domains: z.array(domainSchema), nextCursor: z.string().nullable() })),
    },
    ...problemResponses(400, 401, 403, 500, 503),
  },
})

const show = createRoute({
  method: 'get',
  path: '/v1/domains/{slug}',
  summary: 'Everything about one domain',
  middleware: [manager()] as const,
  request: { params: slugParam },
  responses: { 200: theDomain, ...problemResponses(400, 401, 403, 404, 500, 503) },
})

const change = createRoute({
  method: 'patch',
  path: '/v1/domains/{slug}',
  summary: 'Change a domain’s policy, or suspend it',
  description:
    'Fields that are not given stay. The administrator’s policy is the outer bound; what a key with the scope `manage` sets narrows it.',
  middleware: [smallBody(), manager()] as const,
  request: {
    params: slugParam,
    body: jsonBody(
      z.strictObject({
        policy: policyChangeSchema.optional(),
        managerPolicy: z
          .null()
          .optional()
          .describe('Drops every field that the manager has set; a manager’s `policy` beside it is then all he has.'),
        suspended: z.boolean().optional().describe('Whether it takes no uploads; for the administrator alone.'),
      }),
    ),
  },
  responses: { 200: theDomain, ...problemResponses(400, 401, 403, 404, 413, 415, 422, 500, 503) },
})

const remove = createRoute({
  method: 'delete',
  path: '/v1/domains/{slug}',
  summary: 'Delete a domain',
  description: 'It is closed at once, can be restored for some days, and then its files are removed.',
  middleware: [administrator()] as const,
  request: { params: slugParam },
  responses: { 204: { description: 'It is closed.' }, ...problemResponses(400, 401, 403, 404, 500, 503) },
})

const restore = createRoute({
  method: 'post',
  path: '/v1/domains/{slug}/restore',
  summary: 'Take a deleted domain back',
  middleware: [administrator()] as const,
  request: { params: slugParam },
  responses: { 200: theDomain, ...problemResponses(400, 401, 403, 404, 410, 500, 503) },
})

/** Administration of domains; their keys, hostnames and usage have routes of their own. */
export const domainRoutes = new OpenAPIHono<AppEnv>()
  .openapi(create, async (c) => {
    const record = await createDomain(c.var.deps, c.req.valid('json'))
    return c.json(serialiseDomain(await describeDomain(c.var.deps, record)), 201)
  })
  .openapi(list, async (c) => {
    const { deleted, limit, cursor } = c.req.valid('query')
    const page = await listDomains(c.var.deps, { areDeleted: deleted === 'true', limit, cursor })
    return c.json({ domains: page.domains.map(serialiseDomain), nextCursor: page.nextCursor }, 200)
  })
  .openapi(show, async (c) => {
    const { slug } = c.req.valid('param')
    const find = changesFrom(c) === 'administrator' ? findDomainRecord : findOpenDomain
    return c.json(serialiseDomain(await describeDomain(c.var.deps, await find(c.var.deps, slug))), 200)
  })
  .openapi(change, async (c) => {
    const record = await changeDomain(c.var.deps, c.req.valid('param').slug, c.req.valid('json'), changesFrom(c))
    return c.json(serialiseDomain(await describeDomain(c.var.deps, record)), 200)
  })
  .openapi(remove, async (c) => {
    await deleteDomain(c.var.deps, c.req.valid('param').slug)
    return c.body(null, 204)
  })
  .openapi(restore, async (c) => {
    const record = await restoreDomain(c.var.deps, c.req.valid('param').slug)
    return c.json(serialiseDomain(await describeDomain(c.var.deps, record)), 200)
  })
