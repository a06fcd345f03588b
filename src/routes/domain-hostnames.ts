import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { AppEnv } from '../context.ts'
import { manager } from '../middleware/credential.ts'
import { smallBody } from '../middleware/small-body.ts'
import { addHostname, confirmHostname, removeHostname } from '../services/domains/domain-hostnames.ts'
import { findOpenDomain } from '../services/domains/find-domain.ts'
import { changesFrom, hostnameSchema, serialiseHostname, slugParam } from './domain-schemas.ts'
import { json, jsonBody, problemResponses } from './schemas.ts'

const hostnameParam = slugParam.extend({
  hostname: z
    .string()
    .max(260)
    .openapi({ param: { name: 'hostname', in: 'path' } }),
})

const theHostname = { description: 'The hostname.', content: json(hostnameSchema) }

const add = createRoute({
  method: 'post',
  path: '/v1/domains/{slug}/hostnames',
  summary: 'Give a domain a hostname of its own',
  description: 'The administrator’s is active at once; that of a key with the scope `manage` when it is verified.',
  middleware: [smallBody(), manager()] as const,
  request: {
    params: slugParam,
    body: jsonBody(z.strictObject({ hostname: z.string().max(260).describe('An IDN in punycode.') })),
  },
  responses: { 201: theHostname, ...problemResponses(400, 401, 403, 404, 409, 413, 415, 500, 503) },
})

const verify = createRoute({
  method: 'post',
  path: '/v1/domains/{slug}/hostnames/{hostname}/verify',
  summary: 'Make a hostname active',
  description: 'For a key with the scope `manage` its TXT record is looked up; the administrator’s word is enough.',
  middleware: [manager()] as const,
  request: { params: hostnameParam },
  responses: { 200: theHostname, ...problemResponses(400, 401, 403, 404, 409, 500, 503) },
})

const remove = createRoute({
  method: 'delete',
  path: '/v1/domains/{slug}/hostnames/{hostname}',
  summary: 'Take a hostname away from a domain',
  middleware: [manager()] as const,
  request: { params: hostnameParam },
  responses: {
    204: { description: 'It no longer leads to the domain.' },
    ...problemResponses(400, 401, 403, 404, 500, 503),
  },
})

/** A domain's hostnames, for the administrator and the domain's own manager. */
export const domainHostnameRoutes = new OpenAPIHono<AppEnv>()
  .openapi(add, async (c) => {
    const { name } = await findOpenDomain(c.var.deps, c.req.valid('param').slug)
    const { hostname } = c.req.valid('json')
    return c.json(serialiseHostname(await addHostname(c.var.deps, name.id, hostname, changesFrom(c))), 201)
  })
  .openapi(verify, async (c) => {
    const { slug, hostname } = c.req.valid('param')
    const { name } = await findOpenDomain(c.var.deps, slug)
    return c.json(serialiseHostname(await confirmHostname(c.var.deps, name.id, hostname, changesFrom(c))), 200)
  })
  .openapi(remove, async (c) => {
    const { slug, hostname } = c.req.valid('param')
    const { name } = await findOpenDomain(c.var.deps, slug)
    await removeHostname(c.var.deps, name.id, hostname)
    return c.body(null, 204)
  })
