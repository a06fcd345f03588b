import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { AppEnv } from '../context.ts'
import { type Credential, scopes, unknownCredential } from '../core/access.ts'
import { Refusal } from '../core/errors.ts'
import { isoTimeOrNull } from '../core/upload-view.ts'
import { domainOfHost } from '../middleware/domain.ts'
import { json, problemResponses } from './schemas.ts'

const show = createRoute({
  method: 'get',
  path: '/v1/credential',
  summary: 'What the credential of this request is',
  description:
    'For whoever was given a key, and would know what it is good for before using it. On a domain’s own host only what was issued for that domain is known.',
  responses: {
    200: {
      description: 'The credential.',
      content: json(
        z
          .object({
            kind: z.enum(['administrator', 'key', 'upload-token', 'read-token', 'processor']),
            domain: z.string().nullable().describe('The slug of its domain; null for the administrator’s.'),
            scopes: z
              .array(z.enum(scopes))
              .describe('What it may do in the domain; a token is bound to less than a scope.'),
            expiresAt: z.iso.datetime().nullable().describe('When a key ends; null when it does not.'),
          })
          .openapi('Credential'),
      ),
    },
    ...problemResponses(400, 401, 404, 500, 503),
  },
})

/** What a client may ask about what it was given. */
export const credentialRoutes = new OpenAPIHono<AppEnv>().openapi(show, async (c) => {
  const { credential } = c.var
  c.header('Cache-Control', 'no-store')
  if (credential.kind === 'anonymous') {
    throw new Refusal(
      'credential-required',
      'The request has no credential to describe. Send one as "Authorization: Bearer …".',
    )
  }
  const domain = 'domainId' in credential ? await c.var.deps.directory.byId(credential.domainId) : null
  const served = await domainOfHost(c)
  // Nobody learns on a domain's host what is good elsewhere.
  if (served && served.id !== domain?.id) throw unknownCredential()
  // The domain is gone, and what was issued for it.
  if ('domainId' in credential && !domain) throw unknownCredential()
  return c.json(
    {
      kind: credential.kind,
      domain: domain?.slug ?? null,
      scopes: scopesOf(credential),
      expiresAt: isoTimeOrNull(credential.kind === 'key' ? credential.expiresAt : null),
    },
    200,
  )
})

function scopesOf(credential: Credential) {
  if (credential.kind === 'administrator') return [...scopes]
  return credential.kind === 'key' ? [...credential.scopes] : []
}
