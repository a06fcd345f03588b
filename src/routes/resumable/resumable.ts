import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { AppContext, AppEnv } from '../../context.ts'
import { Refusal } from '../../core/errors.ts'
import { essenceOf } from '../../core/media-type.ts'
import { findUpload } from '../../services/find-upload.ts'
import { uploadUrl } from '../addresses.ts'
import { callbackParameter } from '../parameters.ts'
import { acceptedUploadSchema, domainQuery, idParam, json, problemResponses } from '../schemas.ts'
import { failLost, requireTarget, type SessionTarget } from '../session-target.ts'
import { answerComplete, withRefusalFields } from './answers.ts'
import { appendBody } from './append-body.ts'
import { beginUpload } from './begin-upload.ts'
import {
  announcedFilename,
  announcedOffset,
  describeLimits,
  describeUpload,
  mustBeLabelled,
  partialUpload,
  saysComplete,
} from './fields.ts'

const draft = 'Resumable uploads for HTTP (draft-ietf-httpbis-resumable-upload).'

const bytes = { schema: { type: 'string' as const, contentMediaType: 'application/octet-stream' } }

/** Every address that takes a new upload by the draft. */
const creators = ['/v1/resumable', '/v1/uploads', '/v1/uploads/{filename}'] as const

const filenameParam = z.object({ filename: z.string().openapi({ param: { name: 'filename', in: 'path' } }) })

const options = <Path extends (typeof creators)[number]>(path: Path) =>
  createRoute({
    method: 'options',
    path,
    summary: 'Whether resumable uploads begin here, and within which limits',
    description: `${draft} Needs no credential.`,
    request: { query: domainQuery, ...(path.endsWith('{filename}') && { params: filenameParam }) },
    responses: {
      204: { description: 'See `Accept-Patch` and `Upload-Limit`.' },
      ...problemResponses(401, 403, 404, 409, 429, 500, 503),
    },
  })

const create = createRoute({
  method: 'post',
  path: '/v1/resumable',
  summary: 'Begin a resumable upload by the IETF draft',
  description: `${draft} Takes \`Upload-Complete\`, \`Upload-Length\`, \`Content-Type\`, \`Content-Disposition\`, \`X-Upload-Metadata\`, \`Repr-Digest\`, \`Content-Digest\`, and perhaps the first bytes, or all.`,
  parameters: [callbackParameter],
  request: { query: domainQuery, body: { content: { '*/*': bytes } } },
  responses: {
    201: { description: 'It is at `Location`, within the limits of `Upload-Limit`.' },
    202: { description: 'It was complete, and the file is accepted.', content: json(acceptedUploadSchema) },
    ...problemResponses(400, 401, 403, 404, 408, 409, 410, 413, 415, 422, 429, 500, 503),
  },
})

const show = createRoute({
  method: 'get',
  path: '/v1/resumable/{id}',
  summary: 'Where a resumable upload goes on',
  description: `${draft} Meant for \`HEAD\`. A running append is ended, and what it brought is kept.`,
  request: { params: idParam, query: domainQuery },
  responses: {
    204: { description: 'See `Upload-Offset`, `Upload-Complete`, `Upload-Length` and `Upload-Limit`.' },
    ...problemResponses(401, 403, 404, 409, 410, 413, 415, 422, 429, 500, 503),
  },
})

const append = createRoute({
  method: 'patch',
  path: '/v1/resumable/{id}',
  summary: 'Send the next bytes of a resumable upload',
  description: `${draft} Takes \`Upload-Offset\`, \`Upload-Complete\`, \`Upload-Length\`, \`Content-Digest\`.`,
  request: { params: idParam, query: domainQuery, body: { content: { [partialUpload]: bytes } } },
  responses: {
    202: { description: 'They were the last, and the file is accepted.', content: json(acceptedUploadSchema) },
    204: { description: 'They are kept; `Upload-Offset` is where it goes on.' },
    ...problemResponses(400, 401, 403, 404, 408, 409, 410, 413, 415, 422, 429, 500, 503),
  },
})

const cancel = createRoute({
  method: 'delete',
  path: '/v1/resumable/{id}',
  summary: 'Give a resumable upload up',
  description: `${draft} A file that is accepted already stays.`,
  request: { params: idParam, query: domainQuery },
  responses: {
    204: { description: 'Nothing is left of what was not complete.' },
    ...problemResponses(401, 403, 404, 409, 410, 429, 500, 503),
  },
})

/** draft-ietf-httpbis-resumable-upload: `/v1/resumable`, and what its clients ask of `/v1/uploads`. */
export const resumableRoutes = new OpenAPIHono<AppEnv>()
for (const path of creators) resumableRoutes.openapi(options(path), answerOptions)
resumableRoutes
  .openapi(create, (c) => {
    const isComplete = saysComplete(c)
    if (isComplete === null) throw missing('Upload-Complete', 'whether the body is all of the file (?1) or not (?0)')
    return beginUpload(c, { filename: announcedFilename(c), isComplete })
  })
  .openapi(show, async (c) => {
    const target = requireTarget(c, 'resume-upload')
    return withRefusalFields(c, { ...target, isLast: true }, async () => {
      const { domain, id } = target
      const view =
        (await c.get('deps').sessions.settle(domain, id, 'resumable')) ?? (await failLost(c, target, 'resumable'))
      c.header('Cache-Control', 'no-store')
      // The answer to the last append may have been lost: this is what it would have said.
      if (view.isComplete) c.header('Location', uploadUrl(c, domain, id))
      describeUpload(c, view)
      return c.body(null, 204)
    })
  })
  .openapi(append, async (c) => {
    const target = requireTarget(c, 'upload')
    const isLast = saysComplete(c)
    return withRefusalFields(c, { ...target, isLast: isLast === true }, async () => {
      requireLabel(c)
      const offset = announcedOffset(c)
      if (offset === null) throw missing('Upload-Offset', 'where in the upload the bytes begin')
      if (isLast === null) throw missing('Upload-Complete', 'whether they are the last (?1) or not (?0)')
      const view = await appendBody(c, { ...target, offset, isLast })
      if (isLast) return answerComplete(c, target.domain, await findFile(c, target))
      describeUpload(c, view)
      return c.body(null, 204)
    })
  })
  .openapi(cancel, async (c) => {
    const target = requireTarget(c, 'resume-upload')
    if (!(await c.get('deps').sessions.end(target.domain, target.id, 'resumable')))
      await failLost(c, target, 'resumable')
    return c.body(null, 204)
  })

function answerOptions(c: AppContext): Response {
  c.header('Accept-Patch', partialUpload)
  describeLimits(c, c.get('domain'))
  return c.body(null, 204)
}

function findFile(c: AppContext, { domain, id }: SessionTarget) {
  return findUpload(c.get('deps').databaseFor(domain), { domainId: domain.id, id })
}

function requireLabel(c: AppContext): void {
  if (!mustBeLabelled(c) || essenceOf(c.req.header('content-type')) === partialUpload) return
  // RFC 5789 §3.1: whoever is refused for the type of a patch is told which one would do.
  c.header('Accept-Patch', partialUpload)
  throw new Refusal('content-type-unsupported', `Send the bytes of an upload as ${partialUpload}.`)
}

function missing(field: string, meaning: string): Refusal {
  return new Refusal('request-invalid', `Send ${field}: ${meaning}.`, { facts: { field } })
}
