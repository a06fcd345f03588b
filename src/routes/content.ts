import { createRoute, OpenAPIHono } from '@hono/zod-openapi'
import { create as contentDisposition } from 'content-disposition'
import type { AppContext, AppEnv } from '../context.ts'
import { type Credential, requireAccess } from '../core/access.ts'
import { parseRange } from '../core/byte-range.ts'
import { reprDigest } from '../core/digest.ts'
import { Refusal } from '../core/errors.ts'
import { isSafeInline, servedType } from '../core/media-type.ts'
import type { UploadedFile } from '../core/uploaded-file.ts'
import { requireDomain } from '../middleware/domain.ts'
import { findUpload } from '../services/find-upload.ts'
import { openContent, requireReadable } from '../services/read-content.ts'
import { idParam, problemResponses, readQuery } from './schemas.ts'

const bytes = {
  'application/octet-stream': {
    schema: { type: 'string', contentMediaType: 'application/octet-stream' },
  },
} as const

const content = createRoute({
  method: 'get',
  path: '/v1/uploads/{id}/content',
  summary: 'The bytes of an upload',
  description: 'Takes `Range` (one range), `If-Range`, `If-None-Match` and `If-Match`; the ETag is the SHA-256.',
  request: { params: idParam, query: readQuery },
  responses: {
    200: { description: 'All of it.', content: bytes },
    206: { description: 'The range asked for.', content: bytes },
    304: { description: 'The client has it already.' },
    ...problemResponses(400, 401, 403, 404, 409, 410, 412, 416, 429, 500, 503),
  },
})

/** Bytes out: `GET` and `HEAD /v1/uploads/{id}/content`. */
export const contentRoutes = new OpenAPIHono<AppEnv>()
contentRoutes.openapi(content, async (c) => {
  const domain = requireDomain(c)
  const { id } = c.req.valid('param')
  requireAccess(c.var.credential, 'read-content', domain, id)
  const file = await findUpload(c.var.deps.databaseFor(domain), { domainId: domain.id, id })
  requireReadable(file, domain.policy, c.var.credential)
  const etag = `"${file.sha256}"`
  if (c.req.header('if-match') !== undefined && !namesTag(c.req.header('if-match'), etag, 'strong')) {
    throw new Refusal('precondition-failed', 'The content is not the one that If-Match names.')
  }
  const headers = contentHeaders(file, etag, domain.policy.publicRead, c.var.credential)
  if (namesTag(c.req.header('if-none-match'), etag, 'weak')) return c.body(null, 304, headers)
  if (c.req.method === 'HEAD')
    return c.body(null, 200, {
      ...headers,
      'Content-Length': String(file.size),
    })
  const range = parseRange(rangeHeader(c, etag), file.size)
  if (range.kind === 'unsatisfiable') {
    c.header('Content-Range', `bytes */${file.size}`)
    throw new Refusal('range-not-satisfiable', `The range lies outside of the file's ${file.size} bytes.`, {
      facts: { size: file.size },
    })
  }
  const body = await openContent(c.var.deps.storageFor(domain), file, range)
  if (range.kind === 'whole')
    return c.body(body, 200, {
      ...headers,
      'Content-Length': String(file.size),
    })
  return c.body(body, 206, {
    ...headers,
    'Content-Length': String(range.length),
    'Content-Range': `bytes ${range.offset}-${range.offset + range.length - 1}/${file.size}`,
  })
})

/**
 * The headers under which a stranger's bytes may be served from a host that has users: never sniffed, never run, and
 * shown in place only when their type can't run anything.
 */
function contentHeaders(
  file: UploadedFile,
  etag: string,
  publicRead: boolean,
  credential: Credential,
): Record<string, string> {
  const byToken = credential.kind === 'read-token' || credential.kind === 'processor'
  const forcedName = credential.kind === 'read-token' ? (credential.link?.filename ?? null) : null
  const isPublic = publicRead && !byToken
  return {
    // A charset that is not known is better not named: a browser then looks for itself.
    'Content-Type':
      file.type === 'text/plain' && file.charset ? `text/plain; charset=${file.charset}` : servedType(file.type),
    'Content-Disposition': contentDisposition(forcedName ?? file.filename, {
      type: forcedName === null && isSafeInline(file.type) ? 'inline' : 'attachment',
    }),
    'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    'X-Content-Type-Options': 'nosniff',
    // Who has an address with a token in it was given it; nothing of a browser's own opens the content to other sites.
    'Cross-Origin-Resource-Policy': publicRead || byToken ? 'cross-origin' : 'same-site',
    'Accept-Ranges': 'bytes',
    ETag: etag,
    'Repr-Digest': reprDigest(file.sha256),
    // The bytes of an id never change, but it may be deleted: a cache asks again each time. Compressed on the way, the
    // content would lose its length and its strong tag, and a broken download could not be resumed.
    'Cache-Control': `${isPublic ? 'public' : 'private'}, no-cache, no-transform`,
  }
}

/** A range counts only for the content that the client has begun to fetch (RFC 9110 §13.1.5). */
function rangeHeader(c: AppContext, etag: string): string | undefined {
  const condition = c.req.header('if-range')
  return condition === undefined || condition === etag ? c.req.header('range') : undefined
}

/** Whether a list of entity tags names this one. A weak tag does so only where weak comparison will do (§8.8.3.2). */
function namesTag(list: string | undefined, etag: string, comparison: 'strong' | 'weak'): boolean {
  const tags = (list ?? '').split(',').map((tag) => tag.trim())
  return tags.some((tag) => tag === '*' || (comparison === 'weak' ? tag.replace(/^W\//, '') : tag) === etag)
}
