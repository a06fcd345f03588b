import { createRoute, OpenAPIHono } from '@hono/zod-openapi'
import type { AppContext, AppEnv } from '../../context.ts'
import { Refusal } from '../../core/errors.ts'
import { tusVersion } from '../../middleware/tus-protocol.ts'
import type { SessionView } from '../../resumable/session.ts'
import { sessionUrl } from '../addresses.ts'
import { callbackParameter } from '../parameters.ts'
import { giveReadToken } from '../read-token.ts'
import { domainQuery, idParam, problemResponses } from '../schemas.ts'
import { failLost, requireTarget } from '../session-target.ts'
import { appendBody, requireContent } from './append-body.ts'
import { beginUpload } from './begin-upload.ts'
import { checksumAlgorithms, offsetOctetStream, parseBytes } from './fields.ts'

/** The extensions of tus 1.0 that are spoken here. */
const extensions = [
  'creation',
  'creation-with-upload',
  'creation-defer-length',
  'expiration',
  'checksum',
  'termination',
  'concatenation',
  'concatenation-unfinished',
].join(',')

const description = 'tus 1.0.0 (https://tus.io/protocols/resumable-upload): send `Tus-Resumable: 1.0.0`.'

const body = {
  content: {
    [offsetOctetStream]: { schema: { type: 'string' as const, contentMediaType: 'application/octet-stream' } },
  },
}

const options = createRoute({
  method: 'options',
  path: '/v1/tus',
  summary: 'What of tus is spoken here',
  description: 'Needs no credential.',
  request: { query: domainQuery },
  responses: {
    204: { description: 'See `Tus-Version`, `Tus-Extension`, `Tus-Max-Size` and `Tus-Checksum-Algorithm`.' },
    ...problemResponses(403, 404, 409, 429, 500, 503),
  },
})

const create = createRoute({
  method: 'post',
  path: '/v1/tus',
  summary: 'Begin a resumable upload by tus',
  description: `${description} Takes \`Upload-Length\` or \`Upload-Defer-Length\`, \`Upload-Metadata\` with the keys \`filename\`, \`filetype\`, on the apex host \`domain\`, and the client's own, and perhaps the first bytes. \`Upload-Concat\` begins a partial upload, or joins partial ones to a file.`,
  parameters: [callbackParameter],
  request: { query: domainQuery, body },
  responses: {
    201: { description: 'It is at `Location`, until `Upload-Expires`.' },
    ...problemResponses(400, 401, 403, 404, 408, 409, 410, 412, 413, 415, 422, 429, 500, 503),
  },
})

const show = createRoute({
  method: 'get',
  path: '/v1/tus/{id}',
  summary: 'Where a tus upload goes on',
  description: `${description} Meant for \`HEAD\`. A running append is ended, and what it brought is kept.`,
  request: { params: idParam, query: domainQuery },
  responses: {
    200: { description: 'See `Upload-Offset` and `Upload-Length`.' },
    ...problemResponses(400, 401, 403, 404, 409, 410, 412, 413, 415, 422, 429, 500, 503),
  },
})

const append = createRoute({
  method: 'patch',
  path: '/v1/tus/{id}',
  summary: 'Send the next bytes of a tus upload',
  description,
  request: { params: idParam, query: domainQuery, body },
  responses: {
    204: { description: 'They are kept; `Upload-Offset` is where it goes on.' },
    ...problemResponses(400, 401, 403, 404, 408, 409, 410, 412, 413, 415, 422, 429, 460, 500, 503),
  },
})

const terminate = createRoute({
  method: 'delete',
  path: '/v1/tus/{id}',
  summary: 'Give a tus upload up',
  description,
  request: { params: idParam, query: domainQuery },
  responses: {
    204: { description: 'Nothing of it is left.' },
    ...problemResponses(400, 401, 403, 404, 409, 410, 412, 429, 500, 503),
  },
})

/** tus 1.0: `/v1/tus`. */
export const tusRoutes = new OpenAPIHono<AppEnv>()
  .openapi(options, (c) => {
    c.header('Tus-Version', tusVersion)
    c.header('Tus-Extension', extensions)
    c.header('Tus-Checksum-Algorithm', checksumAlgorithms.join(','))
    const domain = c.get('domain')
    if (domain) c.header('Tus-Max-Size', String(domain.policy.maxFileBytes))
    return c.body(null, 204)
  })
  .openapi(create, async (c) => {
    const { domain, view } = await beginUpload(c)
    c.header('Location', sessionUrl(c, domain, 'tus', view.id))
    describe(c, view)
    if (view.role !== 'partial') await giveReadToken(c, view)
    return c.body(null, 201)
  })
  .openapi(show, async (c) => {
    const target = requireTarget(c, 'resume-upload')
    const { sessions } = c.get('deps')
    const view = (await sessions.settle(target.domain, target.id, 'tus')) ?? (await failLost(c, target, 'tus'))
    c.header('Cache-Control', 'no-store')
    if (view.length !== null) c.header('Upload-Length', String(view.length))
    else if (view.role !== 'joined') c.header('Upload-Defer-Length', '1')
    c.header('Upload-Metadata', view.notes.metadata)
    c.header('Upload-Concat', view.notes.concat)
    describe(c, view)
    return c.body(null, 200)
  })
  .openapi(append, async (c) => {
    const target = requireTarget(c, 'upload')
    const content = requireContent(c)
    const offset = parseBytes('Upload-Offset', c.req.header('upload-offset'))
    if (offset === null)
      throw new Refusal('request-invalid', 'Send Upload-Offset: where in the upload the bytes begin.')
    const length = parseBytes('Upload-Length', c.req.header('upload-length'))
    const view = await appendBody(c, target, { ...content, offset, length })
    describe(c, view)
    if (view.isComplete && view.role === 'file') await giveReadToken(c, view)
    return c.body(null, 204)
  })
  .openapi(terminate, async (c) => {
    const target = requireTarget(c, 'resume-upload')
    // A finished upload is a file, and is no longer given up here.
    if ((await c.get('deps').sessions.end(target.domain, target.id, 'tus')) !== 'open') await failLost(c, target, 'tus')
    return c.body(null, 204)
  })

/** Says where an upload stands, and until when it may be gone on with. */
function describe(c: AppContext, { role, offset, isComplete, expiresAt }: SessionView): void {
  // How far the joining is, is nobody’s to go on from.
  if (role !== 'joined' || isComplete) c.header('Upload-Offset', String(offset))
  // RFC 9110 §5.6.7, as the expiration extension asks; a file that is complete does not expire.
  if (role === 'partial' || !isComplete) c.header('Upload-Expires', new Date(expiresAt).toUTCString())
}
