import { HTTPException } from 'hono/http-exception'
import { type ErrorCode, isUnavailable, Misconfigured, Refusal } from './core/errors.ts'
import { MultipartError } from './multipart/errors.ts'

/** Where draft-ietf-httpbis-resumable-upload has its problem types registered. */
const registeredTypes = 'https://iana.org/assignments/http-problem-types'

/** The HTTP status and title of every error code, with the type of those that are registered: the only such table. */
export const problems: Readonly<Record<ErrorCode, { status: number; title: string; type?: string }>> = {
  'request-invalid': { status: 400, title: 'The request is not understood' },
  'multipart-malformed': {
    status: 400,
    title: 'The form is not well-formed multipart/form-data',
  },
  'body-incomplete': { status: 400, title: 'The body broke off' },
  'no-file': { status: 400, title: 'There is no file in the request' },
  'domain-required': { status: 400, title: 'The request names no domain' },
  'digest-invalid': { status: 400, title: 'A digest field can not be read' },
  'idempotency-key-invalid': {
    status: 400,
    title: 'The idempotency key can not be used',
  },
  'upload-length-inconsistent': {
    status: 400,
    title: 'The upload has another length',
    type: `${registeredTypes}#inconsistent-upload-length`,
  },
  'upload-completed': {
    status: 400,
    title: 'The upload is complete',
    type: `${registeredTypes}#completed-upload`,
  },
  'credential-required': { status: 401, title: 'A credential is needed' },
  'credential-invalid': { status: 401, title: 'The credential is not known' },
  'signature-invalid': {
    status: 401,
    title: 'The signature is missing or wrong',
  },
  forbidden: { status: 403, title: 'The credential does not allow this' },
  'token-used-up': { status: 403, title: 'The upload token is used up' },
  'origin-not-allowed': { status: 403, title: 'Pages of this origin may not use the domain' },
  'domain-suspended': { status: 403, title: 'The domain is suspended' },
  'route-not-found': { status: 404, title: 'There is nothing at this address' },
  'domain-not-found': { status: 404, title: 'There is no such domain' },
  'upload-not-found': { status: 404, title: 'There is no such upload' },
  'key-not-found': { status: 404, title: 'There is no such key' },
  'hostname-not-found': { status: 404, title: 'There is no such hostname' },
  'dead-letter-not-found': {
    status: 404,
    title: 'There is no such dead letter',
  },
  'method-not-allowed': {
    status: 405,
    title: 'The method is not allowed here',
  },
  'body-timeout': { status: 408, title: 'The body did not arrive in time' },
  'domain-conflict': { status: 409, title: 'The request names two domains' },
  'domain-exists': { status: 409, title: 'The domain exists already' },
  'hostname-unverified': {
    status: 409,
    title: 'The hostname is not proved to be yours',
  },
  'limit-reached': {
    status: 409,
    title: 'The domain has as many of these as it may have',
  },
  'hostname-taken': { status: 409, title: 'The hostname is taken' },
  'not-ready': { status: 409, title: 'The upload is not ready' },
  'status-conflict': { status: 409, title: 'The upload is in another status' },
  'offset-mismatch': {
    status: 409,
    title: 'The upload goes on at another offset',
    type: `${registeredTypes}#mismatching-upload-offset`,
  },
  'append-superseded': { status: 409, title: 'A newer request has taken over the upload' },
  'idempotency-in-progress': {
    status: 409,
    title: 'The first request with this key still runs',
  },
  'domain-deleted': { status: 410, title: 'The domain has been deleted' },
  'upload-deleted': { status: 410, title: 'The upload has been deleted' },
  'precondition-failed': {
    status: 412,
    title: 'A precondition of the request does not hold',
  },
  'tus-version-unsupported': { status: 412, title: 'This version of tus is not spoken here' },
  'file-too-large': { status: 413, title: 'The file is too large' },
  'request-too-large': { status: 413, title: 'The request is too large' },
  'too-many-files': {
    status: 413,
    title: 'There are too many files in the request',
  },
  'multipart-limit': {
    status: 413,
    title: 'The form is larger than it may be',
  },
  'quota-exceeded': {
    status: 413,
    title: 'The quota of the domain is used up',
  },
  'type-not-allowed': {
    status: 415,
    title: 'Files of this type are not taken',
  },
  'type-contradicted': {
    status: 415,
    title: 'The file is not what it was declared to be',
  },
  'extension-not-allowed': {
    status: 415,
    title: 'Files with this extension are not taken',
  },
  'content-type-unsupported': {
    status: 415,
    title: 'The body has the wrong content type',
  },
  'range-not-satisfiable': {
    status: 416,
    title: 'The range lies outside of the file',
  },
  'metadata-invalid': { status: 422, title: 'The metadata is not valid' },
  'policy-too-wide': {
    status: 422,
    title: 'The policy is wider than it may be',
  },
  'idempotency-mismatch': {
    status: 422,
    title: 'The key was used for another request',
  },
  'digest-mismatch': {
    status: 422,
    title: 'The bytes do not match their digest',
  },
  'rate-limited': { status: 429, title: 'There were too many requests' },
  // tus 1.0, checksum extension.
  'checksum-mismatch': { status: 460, title: 'The bytes do not match their checksum' },
  internal: { status: 500, title: 'Something went wrong here' },
  misconfigured: { status: 500, title: 'The deployment is not configured' },
  busy: { status: 503, title: 'Too busy at this moment' },
  unavailable: { status: 503, title: 'Not available at this moment' },
}

/** An RFC 9457 problem document. `facts` such as the limit and the offending value stand beside the standard members. */
export interface ProblemDocument {
  type: string
  title: string
  status: number
  code: ErrorCode
  detail: string
  [fact: string]: unknown
}

export function problemDocument(refusal: Refusal): ProblemDocument {
  const { status, title, type = `urn:stevedore:problem:${refusal.code}` } = problems[refusal.code]
  return {
    ...refusal.facts,
    type,
    title,
    status,
    code: refusal.code,
    detail: refusal.message,
  }
}

/** How long a client is to leave a database or a bucket alone that did not answer. */
const unavailableSeconds = 5

/** Every error as a refusal. What nobody expected shows the client nothing of itself; it is kept as the cause. */
export function toRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  if (error instanceof MultipartError) return fromMultipart(error)
  if (error instanceof HTTPException) return fromHono(error)
  if (error instanceof Misconfigured)
    return new Refusal(
      'misconfigured',
      'This deployment is not set up completely. Its operator finds why in its log.',
      { cause: error },
    )
  if (isUnavailable(error))
    return new Refusal(
      'unavailable',
      'The storage behind this did not answer just now. Send the request again in a moment.',
      {
        retryAfterSeconds: unavailableSeconds,
        cause: error,
      },
    )
  return new Refusal(
    'internal',
    'The request failed here through no fault of yours. Try again; if it stays, name the request id.',
    { cause: error },
  )
}

/** What a schema found wrong in the parameters, the query, the headers or the JSON of a request. */
export function invalidRequest(where: string, issues: readonly { path: PropertyKey[]; message: string }[]): Refusal {
  const problems = issues.map(({ path, message }) => ({
    at: [where, ...path].join('.'),
    message,
  }))
  const [first] = problems
  return new Refusal('request-invalid', `${first?.at}: ${first?.message}`, {
    facts: { problems },
  })
}

function fromMultipart(error: MultipartError): Refusal {
  const facts = {
    rule: error.code,
    ...pick('limit', error.limit),
    ...pick('value', error.value),
    ...pick('offset', error.offset),
  }
  const code =
    error.code === 'not-multipart'
      ? 'content-type-unsupported'
      : error.limit === undefined
        ? 'multipart-malformed'
        : 'multipart-limit'
  return new Refusal(code, error.message, { facts, cause: error })
}

/** What Hono's own validators throw: a body of another type, or JSON that is none. */
function fromHono(error: HTTPException): Refusal {
  if (error.status === 415) return new Refusal('content-type-unsupported', 'Send the body as application/json.')
  return new Refusal('request-invalid', error.message)
}

function pick(name: string, value: number | undefined): Record<string, number> {
  return value === undefined ? {} : { [name]: value }
}
