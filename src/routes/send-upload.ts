import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { AppContext, AppEnv } from '../context.ts'
import { digestAlgorithms } from '../core/digest.ts'
import { type Domain, requireFound } from '../core/domain.ts'
import { Refusal } from '../core/errors.ts'
import { cleanFilename } from '../core/filename.ts'
import { requireDomain } from '../middleware/domain.ts'
import { enforceDomainRules } from '../middleware/domain-rules.ts'
import { problemDocument } from '../problem.ts'
import { receiveMultipart } from '../services/receive/receive-multipart.ts'
import type { FileOutcome } from '../services/receive/reception.ts'
import { uploadUrl } from './addresses.ts'
import { callbackParameter, parameter } from './parameters.ts'
import { answerAccepted, callbackOf, intakeParts, receiveBody, repeatable, requestDigests } from './raw-upload.ts'
import { readTokenFor } from './read-token.ts'
import { beginUpload } from './resumable/begin-upload.ts'
import { announcedFilename, saysComplete } from './resumable/fields.ts'
import { acceptedUploadSchema, json, problemResponses, resultsSchema } from './schemas.ts'
import { serialiseUpload } from './serialise-upload.ts'

const parameters = [
  parameter('query', 'domain', 'The domain, on the apex host: a slug or a hostname.'),
  parameter('header', 'X-Upload-Domain', 'The domain, on the apex host: a slug or a hostname.'),
  parameter(
    'header',
    'Idempotency-Key',
    'Makes a repeat within 24 hours return the first answer and store nothing: 1 to 255 visible characters.',
  ),
  callbackParameter,
  parameter('header', 'Content-Digest', `RFC 9530, ${digestAlgorithms.join(' or ')}, of the request body.`),
  parameter('header', 'Repr-Digest', 'RFC 9530; for an upload the same as Content-Digest.'),
]

const sendForm = createRoute({
  method: 'post',
  path: '/v1/uploads',
  summary: 'Upload one or many files as a form',
  description:
    'Files are the parts with a filename, under any field name. Optional fields: `domain` (before the first file, on the apex host), `metadata` (a JSON object of strings, at most 2 KB, for every file of the request) and `callback_url` (told once how each file ends, where the policy has its host). One request is one commit: a body that breaks off stores nothing.',
  parameters,
  request: {
    body: {
      required: true,
      // A plain schema: the body is streamed, and must never be parsed by a validator.
      content: {
        'multipart/form-data': {
          schema: {
            type: 'object',
            properties: {
              domain: { type: 'string' },
              metadata: {
                type: 'string',
                contentMediaType: 'application/json',
              },
              callback_url: { type: 'string', format: 'uri' },
              file: {
                type: 'array',
                items: {
                  type: 'string',
                  contentMediaType: 'application/octet-stream',
                },
              },
            },
          },
        },
      },
    },
  },
  responses: {
    201: { description: 'With `Upload-Complete: ?0`: a resumable upload has begun, at `Location`.' },
    202: {
      description: 'Every file was accepted. With `Upload-Complete: ?1` the body is one file, and so is the answer.',
      content: json(z.union([resultsSchema, acceptedUploadSchema])),
    },
    207: {
      description: 'Some of the files were accepted.',
      content: json(resultsSchema),
    },
    ...problemResponses(400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503),
  },
})

const sendRaw = createRoute({
  method: 'put',
  path: '/v1/uploads/{filename}',
  summary: 'Upload one file as the body',
  parameters: [
    parameter('path', 'filename', 'The name of the file, percent-encoded.'),
    parameter(
      'header',
      'X-Upload-Metadata',
      'A JSON object of strings, at most 2 KB; other than ASCII as \\u escapes.',
    ),
    ...parameters,
  ],
  request: {
    body: {
      required: true,
      content: {
        '*/*': {
          schema: {
            type: 'string',
            contentMediaType: 'application/octet-stream',
          },
        },
      },
    },
  },
  responses: {
    201: { description: 'With `Upload-Complete: ?0`: a resumable upload has begun, at `Location`.' },
    202: {
      description: 'The file was accepted.',
      content: json(acceptedUploadSchema),
    },
    ...problemResponses(400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503),
  },
})

/** Bytes in: `POST /v1/uploads` and `PUT /v1/uploads/{filename}`. */
export const sendUploadRoutes = new OpenAPIHono<AppEnv>()
  .openapi(sendForm, async (c) => {
    const isComplete = saysComplete(c)
    if (isComplete !== null) return beginUpload(c, { filename: announcedFilename(c), isComplete })
    const body = c.get('body')
    body.expectDigests(requestDigests(c))
    const received = await receiveMultipart({
      body,
      contentType: c.req.header('content-type') ?? null,
      credential: c.get('credential'),
      domain: c.get('domain'),
      findDomain: async (name) => requireFound(await c.get('deps').directory.byClientText(name), name),
      judge: (target) => enforceDomainRules(c, target),
      partsFor: (target) => intakeParts(c, target),
      callbackUrl: callbackOf(c),
      repeatable: repeatable(c),
    })
    const outcomes = await Promise.all(
      received.outcomes.map((outcome) => serialiseOutcome(c, received.domain, outcome)),
    )
    const accepted = received.outcomes.flatMap((outcome) => ('upload' in outcome ? [outcome.upload] : []))
    const [only] = accepted
    if (!only) throw allRefused(received.outcomes, outcomes)
    if (outcomes.length === 1) c.header('Location', uploadUrl(c, received.domain, only.id))
    return c.json({ results: outcomes }, accepted.length === outcomes.length ? 202 : 207)
  })
  .openapi(sendRaw, async (c) => {
    const filename = filenameOf(c)
    const isComplete = saysComplete(c)
    if (isComplete !== null) return beginUpload(c, { filename, isComplete })
    const domain = requireDomain(c)
    return answerAccepted(c, domain, await receiveBody(c, domain, { filename, length: null }))
  })

/**
 * The last segment of the path. Hono gives it undecoded when it can't be decoded, which would be a name nobody meant; and
 * bytes beyond ASCII, which no URL may hold, arrive as Latin-1, which few have meant.
 */
function filenameOf(c: AppContext): string {
  const segment = new URL(c.req.url).pathname.slice('/v1/uploads/'.length)
  try {
    if (/^[^?]*[^?\x21-\x7e]/.test(c.req.url)) throw new URIError('not percent-encoded')
    return cleanFilename(decodeURIComponent(segment))
  } catch {
    throw new Refusal(
      'request-invalid',
      `The filename in the path is not percent-encoded UTF-8: "${segment.slice(0, 100)}".`,
    )
  }
}

async function serialiseOutcome(c: AppContext, domain: Domain, outcome: FileOutcome) {
  if ('upload' in outcome) {
    return { upload: serialiseUpload(c, domain, outcome.upload), ...(await readTokenFor(c, outcome.upload)) }
  }
  const { filename, refusal } = outcome
  return {
    filename,
    problem: { ...problemDocument(refusal), requestId: c.get('requestId') },
  }
}

/** When no file was accepted, the answer is the first file's problem, with every file's own beside it. */
function allRefused(outcomes: readonly FileOutcome[], results: readonly unknown[]): Refusal {
  const [first] = outcomes.flatMap((outcome) => ('refusal' in outcome ? [outcome.refusal] : []))
  return new Refusal(first?.code ?? 'no-file', first?.message ?? '', {
    facts: { ...first?.facts, results },
  })
}
