import { z } from '@hono/zod-openapi'
import { errorCodes } from '../core/errors.ts'
import { eventTypeOf } from '../core/file-event.ts'
import { fileStatuses } from '../core/status.ts'

/** The shapes that answers share; `/openapi.json` names each as a component. */

export const errorCodeSchema = z.enum(errorCodes)

export const problemSchema = z
  .looseObject({
    type: z.string().describe('A URN that names the code.'),
    title: z.string(),
    status: z.int(),
    code: errorCodeSchema,
    detail: z.string().describe('What was wrong, where, and what to do.'),
    requestId: z.string(),
  })
  .openapi('Problem', {
    description: 'RFC 9457 problem details. Facts such as `limit` and `value` stand beside the named members.',
  })

export const failureSchema = z
  .object({ code: z.string(), detail: z.string() })
  .nullable()
  .describe('Why processing failed, or null.')

export const fileStatusSchema = z.enum(fileStatuses)

const time = z.iso.datetime()

export const stepSchema = z
  .object({
    name: z.string(),
    status: z
      .enum(['waiting', 'running', 'complete', 'refused'])
      .describe('`refused`: it has found the file no good, and `result` says why.'),
    progress: z.number().nullable().describe('0 to 1, where the step tells.'),
    attempt: z.int().nullable(),
    durationMs: z.int().nullable(),
    result: z.record(z.string(), z.unknown()).nullable().describe('What the step found.'),
  })
  .openapi('Step')

export const uploadSchema = z
  .object({
    id: z.uuid(),
    domain: z.string().describe('The slug of the domain.'),
    filename: z.string(),
    type: z.string().describe('The media type that the bytes show.'),
    declaredType: z.string().nullable().describe('The media type that the client declared.'),
    size: z.int().describe('Bytes.'),
    sha256: z.string().describe('Hexadecimal; empty while the file is uploading.'),
    status: fileStatusSchema,
    failure: failureSchema,
    metadata: z.record(z.string(), z.string()),
    protocol: z.enum(['multipart', 'raw', 'tus', 'resumable']),
    generation: z.int().describe('The pass through processing; reprocessing starts the next.'),
    attempts: z.int(),
    lastEvent: z.int().describe('The number of the newest event of this file.'),
    createdAt: time,
    updatedAt: time,
    completedAt: time.nullable(),
    links: z.object({ self: z.url(), status: z.url(), content: z.url() }),
  })
  .openapi('Upload')

export const variantSchema = z
  .object({
    name: z.string(),
    type: z.string().describe('Its media type.'),
    size: z.int().describe('Bytes.'),
    width: z.int().nullable().describe('Pixels, of a picture.'),
    height: z.int().nullable(),
    url: z.url(),
  })
  .openapi('Variant')

export const uploadDetailSchema = uploadSchema
  .extend({
    steps: z.array(stepSchema),
    variants: z.array(variantSchema).describe('What the steps have made of the file; empty while it is not served.'),
  })
  .openapi('UploadDetail')

export const statusSchema = z
  .object({
    id: z.uuid(),
    status: fileStatusSchema,
    failure: failureSchema,
    steps: z.array(stepSchema.pick({ name: true, status: true, progress: true })),
    generation: z.int(),
    attempts: z.int(),
    lastEvent: z.int(),
    received: z
      .object({
        bytes: z.int(),
        ofBytes: z.int().nullable().describe('Null until the client has said it.'),
        percent: z.int().nullable(),
      })
      .nullable()
      .describe('How much of a resumable upload has come in, while it is uploading.'),
    createdAt: time,
    updatedAt: time,
    completedAt: time.nullable(),
  })
  .openapi('UploadStatus')

export const eventSchema = z
  .object({
    number: z.int().describe('Counts the events of this upload from 1, without gaps.'),
    type: z.enum(fileStatuses.map((status) => eventTypeOf(status))),
    status: fileStatusSchema.describe('The status that the upload has reached.'),
    generation: z.int(),
    failure: failureSchema,
    at: time,
  })
  .openapi('Event')

/** Beside an accepted upload, for a client that has no key. */
const readToken = z
  .string()
  .optional()
  .describe(
    'Reads this upload for 24 hours. For anonymous clients and upload tokens, where the deployment signs tokens.',
  )

export const acceptedUploadSchema = uploadSchema.extend({ readToken }).openapi('AcceptedUpload')

export const resultsSchema = z
  .object({
    results: z
      .array(
        z.union([
          z.object({ upload: uploadSchema, readToken }),
          z.object({ filename: z.string(), problem: problemSchema }),
        ]),
      )
      .describe('One entry a file, in the order sent.'),
  })
  .openapi('UploadResults')

export const idParam = z.object({
  id: z
    .string()
    .max(100)
    .openapi({ param: { name: 'id', in: 'path' } }),
})

/** Where a request may name its domain; both are read by the domain middleware. */
export const domainQuery = z.object({
  domain: z.string().optional().describe('The domain, on the apex host: a slug or a hostname.'),
})

/** The same for a route that reads one upload, where a token may stand in the query; the credential middleware reads it. */
export const readQuery = domainQuery.extend({
  token: z.string().optional().describe('A read token or the token of a download link, for those who send no header.'),
})

/** An answer, or a request, that is JSON of this shape. */
export function json<Schema extends z.ZodType>(schema: Schema) {
  return { 'application/json': { schema } }
}

/** A request body that has to be JSON of this shape. */
export function jsonBody<Schema extends z.ZodType>(schema: Schema) {
  return { required: true, content: json(schema) } as const
}

/** The part of a route's description that every route has: the problems it answers with. */
export function problemResponses<Statuses extends readonly number[]>(...statuses: Statuses) {
  const response = {
    description: 'The request was refused.',
    content: { 'application/problem+json': { schema: problemSchema } },
  }
  return Object.fromEntries(statuses.map((status) => [status, response])) as Record<Statuses[number], typeof response>
}
