import { createRoute, OpenAPIHono } from '@hono/zod-openapi'
import type { AppContext, AppEnv } from '../../context.ts'
import { requireAccess } from '../../core/access.ts'
import { type Domain, requireFound } from '../../core/domain.ts'
import { Refusal } from '../../core/errors.ts'
import { essenceOf } from '../../core/media-type.ts'
import { requireDomain } from '../../middleware/domain.ts'
import { enforceDomainRules } from '../../middleware/domain-rules.ts'
import { tusVersion } from '../../middleware/tus-protocol.ts'
import { lostSession } from '../../resumable/lost-session.ts'
import { openUpload } from '../../resumable/open-upload.ts'
import type { Append, SessionView } from '../../resumable/session.ts'
import { callbackOf } from '../raw-upload.ts'
import { giveReadToken } from '../read-token.ts'
import { domainQuery, idParam, problemResponses } from '../schemas.ts'
import { parseConcat } from './concat.ts'
import {
  announcedLength,
  checksumAlgorithms,
  offsetOctetStream,
  parseBytes,
  parseChecksum,
  parseTusMetadata,
} from './fields.ts'

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
    const sent = c.req.header('upload-metadata')
    const metadata = parseTusMetadata(sent, { isApex: c.get('host').kind === 'apex' })
    const domain = await domainOf(c, metadata.domain)
    const { sessions, databaseFor, outboundRules, journal, now, sessionMs } = c.get('deps')
    const content = contentOf(c)
    const concat = c.req.header('upload-concat')
    const role = parseConcat(concat, c.get('origin'))
    const length = role.kind === 'joined' ? null : lengthOf(c)
    if (role.kind === 'joined') requireNoBytes(c)
    const opened = await openUpload(
      {
        domain,
        credential: c.get('credential'),
        protocol: 'tus',
        role,
        filename: metadata.filename ?? '',
        declaredType: essenceOf(metadata.filetype),
        metadata: metadata.own,
        length,
        endsBy: 'length',
        sha256: null,
        callbackUrl: role.kind === 'partial' ? null : callbackOf(c),
        notes: { ...(sent === undefined ? {} : { metadata: sent }), ...(concat === undefined ? {} : { concat }) },
      },
      { sessions, db: databaseFor(domain), outboundRules, journal, now, sessionMs },
    )
    const view =
      content && role.kind !== 'joined'
        ? await send(c, domain, opened.id, { ...content, offset: 0, length: null })
        : opened
    c.header('Location', uploadUrl(c, domain, opened.id))
    describe(c, view)
    if (role.kind !== 'partial') await giveReadToken(c, view)
    return c.body(null, 201)
  })
  .openapi(show, async (c) => {
    const { domain, id } = target(c, 'resume-upload')
    const view = (await c.get('deps').sessions.settle(domain, id)) ?? (await fail(c, domain, id))
    c.header('Cache-Control', 'no-store')
    if (view.length !== null) c.header('Upload-Length', String(view.length))
    else if (view.role !== 'joined') c.header('Upload-Defer-Length', '1')
    c.header('Upload-Metadata', view.notes.metadata)
    c.header('Upload-Concat', view.notes.concat)
    describe(c, view)
    return c.body(null, 200)
  })
  .openapi(append, async (c) => {
    const { domain, id } = target(c, 'upload')
    const content = contentOf(c)
    if (!content) throw wrongContentType()
    const offset = parseBytes('Upload-Offset', c.req.header('upload-offset'))
    if (offset === null)
      throw new Refusal('request-invalid', 'Send Upload-Offset: where in the upload the bytes begin.')
    const length = parseBytes('Upload-Length', c.req.header('upload-length'))
    const view = await send(c, domain, id, { ...content, offset, length })
    describe(c, view)
    if (view.isComplete && view.role === 'file') await giveReadToken(c, view)
    return c.body(null, 204)
  })
  .openapi(terminate, async (c) => {
    const { domain, id } = target(c, 'resume-upload')
    if (!(await c.get('deps').sessions.end(domain, id))) await fail(c, domain, id)
    return c.body(null, 204)
  })

/** Which upload a request is for, once its sender may have to do with it. */
function target(c: AppContext, action: 'upload' | 'resume-upload'): { domain: Domain; id: string } {
  const domain = requireDomain(c)
  requireAccess(c.get('credential'), action, domain)
  return { domain, id: c.req.param('id') as string }
}

/** The domain of a new upload; on the apex host its metadata may be the first, or another, to name it. */
async function domainOf(c: AppContext, name: string | null): Promise<Domain> {
  if (name === null) return requireDomain(c)
  const named = requireFound(await c.get('deps').directory.byClientText(name), name)
  const known = c.get('domain')
  if (!known) {
    await enforceDomainRules(c, named)
    return named
  }
  if (known.id === named.id) return known
  throw new Refusal(
    'domain-conflict',
    `The request names two domains, "${known.slug}" and "${named.slug}". Name one.`,
    {
      facts: { domains: [known.slug, named.slug] },
    },
  )
}

/** The length that a creation announces; null when it is to follow. */
function lengthOf(c: AppContext): number | null {
  return announcedLength(c.req.header('upload-length'), c.req.header('upload-defer-length'))
}

/** Throws where the creation of a final upload has bytes, or a length, of its own (tus 1.0, concatenation). */
function requireNoBytes(c: AppContext): void {
  const hasLength = ['upload-length', 'upload-defer-length'].some((name) => c.req.header(name) !== undefined)
  if (!hasLength && c.get('body').declaredBytes === 0) return
  throw new Refusal('request-invalid', 'A final upload has the length of its partial ones, and no bytes of its own.')
}

/** What the body brings, as far as it is known before it is read; null when there is none. Throws for another type. */
function contentOf(c: AppContext): Pick<Append, 'declaredBytes' | 'checksum' | 'isLast'> | null {
  const { declaredBytes } = c.get('body')
  const isOffsetStream = essenceOf(c.req.header('content-type')) === offsetOctetStream
  if (!isOffsetStream && declaredBytes !== 0) throw wrongContentType()
  if (!isOffsetStream) return null
  return { declaredBytes, checksum: parseChecksum(c.req.header('upload-checksum')), isLast: false }
}

async function send(
  c: AppContext,
  domain: Domain,
  id: string,
  announced: Omit<Append, 'domainId' | 'protocol'>,
): Promise<SessionView> {
  const view = await c.get('deps').sessions.append(domain, id, { ...announced, protocol: 'tus' }, c.req.raw.body)
  return view ?? fail(c, domain, id)
}

async function fail(c: AppContext, domain: Domain, id: string): Promise<never> {
  const { databaseFor, storageFor, now, log } = c.get('deps')
  const parts = { db: databaseFor(domain), storage: storageFor(domain), now, log }
  throw await lostSession(parts, { domainId: domain.id, id })
}

function describe(c: AppContext, { role, offset, isComplete, expiresAt }: SessionView): void {
  // How far the joining is, is nobody’s to go on from.
  if (role !== 'joined' || isComplete) c.header('Upload-Offset', String(offset))
  // RFC 9110 §5.6.7, as the expiration extension asks; a file that is complete does not expire.
  if (role === 'partial' || !isComplete) c.header('Upload-Expires', new Date(expiresAt).toUTCString())
}

function uploadUrl(c: AppContext, domain: Domain, id: string): string {
  const query = c.get('host').kind === 'apex' ? `?domain=${domain.slug}` : ''
  return `${c.get('origin')}/v1/tus/${id}${query}`
}

function wrongContentType(): Refusal {
  return new Refusal('content-type-unsupported', `Send the bytes of an upload as ${offsetOctetStream}.`)
}
