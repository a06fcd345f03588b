/**
 * Every way in which Stevedore says no. The codes are stable: clients match on them, `problem.ts` gives each its HTTP
 * status, and `docs/errors.md` lists them all.
 */
export const errorCodes = [
  'request-invalid',
  'multipart-malformed',
  'multipart-limit',
  'body-incomplete',
  'body-timeout',
  'no-file',
  'domain-required',
  'domain-not-found',
  'domain-conflict',
  'domain-exists',
  'domain-deleted',
  'domain-suspended',
  'hostname-taken',
  'hostname-not-found',
  'hostname-unverified',
  'limit-reached',
  'policy-too-wide',
  'credential-required',
  'credential-invalid',
  'forbidden',
  'token-used-up',
  'origin-not-allowed',
  'signature-invalid',
  'route-not-found',
  'method-not-allowed',
  'key-not-found',
  'webhook-not-found',
  'webhook-disabled',
  'delivery-not-found',
  'url-not-allowed',
  'callback-not-allowed',
  'upload-not-found',
  'variant-not-found',
  'upload-deleted',
  'not-ready',
  'offset-mismatch',
  'append-superseded',
  'upload-length-inconsistent',
  'upload-completed',
  'tus-version-unsupported',
  'checksum-mismatch',
  'status-conflict',
  'file-too-large',
  'request-too-large',
  'too-many-files',
  'quota-exceeded',
  'type-not-allowed',
  'type-contradicted',
  'extension-not-allowed',
  'content-type-unsupported',
  'metadata-invalid',
  'idempotency-key-invalid',
  'idempotency-in-progress',
  'idempotency-mismatch',
  'dead-letter-not-found',
  'digest-invalid',
  'digest-mismatch',
  'range-not-satisfiable',
  'precondition-failed',
  'rate-limited',
  'too-many-watchers',
  'busy',
  'unavailable',
  'misconfigured',
  'internal',
] as const

export type ErrorCode = (typeof errorCodes)[number]

/** What a refusal tells beside its sentence: the limit, the offending value, the filename … Plain JSON, safe to show. */
export type RefusalFacts = Readonly<Record<string, unknown>>

/**
 * An expected failure, thrown wherever it is found and turned into a problem document by the app.
 * `detail` is written for the person who sent the request: what was wrong, where, and what to do about it.
 */
export class Refusal extends Error {
  readonly code: ErrorCode
  readonly facts: RefusalFacts
  /** Seconds after which the same request may succeed; becomes `Retry-After`. */
  readonly retryAfterSeconds: number | undefined

  constructor(
    code: ErrorCode,
    detail: string,
    {
      facts = {},
      retryAfterSeconds,
      cause,
    }: {
      facts?: RefusalFacts
      retryAfterSeconds?: number
      cause?: unknown
    } = {},
  ) {
    super(detail, { cause })
    this.name = 'Refusal'
    this.code = code
    this.facts = facts
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/** Thrown when the deployment can't work as it is configured. Its message is for the operator's log only. */
export class Misconfigured extends Error {
  override readonly name = 'Misconfigured'
}

/**
 * Thrown when a database, a bucket or a session did not do its work for a reason of its own: the same call may succeed in
 * a moment, and may have had its effect already. Its message and cause are for the operator's log only.
 */
export class Unavailable extends Error {
  override readonly name = 'Unavailable'
}

/** Whether an error is `Unavailable`, or was thrown because of it. */
export function isUnavailable(error: unknown): boolean {
  for (let current = error; current instanceof Error; current = current.cause) {
    if (current instanceof Unavailable) return true
  }
  return false
}
