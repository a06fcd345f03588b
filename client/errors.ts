import type { ErrorCode, Problem } from './types.ts'

/** The server said no. `code` says why, for programs; the message says it for people. */
export class StevedoreError extends Error {
  override readonly name = 'StevedoreError'
  /** The whole problem document, with the facts of its code, such as `limit` and `value`. */
  readonly problem: Problem
  /** After how many seconds the same request may succeed; null where the server does not say. */
  readonly retryAfterSeconds: number | null

  constructor(problem: Problem, retryAfterSeconds: number | null = null) {
    super(problem.detail)
    this.problem = problem
    this.retryAfterSeconds = retryAfterSeconds
  }

  /** A newer server may send a code that this type does not know. */
  get code(): ErrorCode {
    return this.problem.code
  }

  /** The HTTP status. */
  get status(): number {
    return this.problem.status
  }

  get title(): string {
    return this.problem.title
  }

  get detail(): string {
    return this.problem.detail
  }

  /** Under which the operator finds the request in the log. */
  get requestId(): string {
    return this.problem.requestId
  }

  /** The limit that was passed, in the unit of what it limits; undefined where the code is not about one. */
  get limit(): number | undefined {
    const { limit } = this.problem
    return typeof limit === 'number' ? limit : undefined
  }
}

/** No answer came: no network, no server, or a page that the browser does not let read the answer. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError'
}

/** Something answered that is no Stevedore: a proxy before it, or another server. */
export class UnexpectedAnswer extends Error {
  override readonly name = 'UnexpectedAnswer'
  readonly status: number

  constructor(url: string, status: number) {
    super(
      `${new URL(url).origin} answered ${status}, and not as Stevedore does. Is the URL right, and what is before it?`,
    )
    this.status = status
  }
}

/** The file is stored, and its work goes on; only what the server knows of it could not be read, for the `cause`. */
export class UploadUnreadable extends Error {
  override readonly name = 'UploadUnreadable'
  /** Of the upload: who may read it finds it by this. */
  readonly id: string

  constructor(id: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    super(`The file is stored, as ${id}, but what became of it could not be read: ${reason}`, { cause })
    this.id = id
  }
}

/** The error that an answer stands for. `text` is its body. */
export function errorOf(url: string, status: number, text: string, retryAfter: string | null) {
  const problem = parseProblem(text)
  return problem ? new StevedoreError(problem, parseRetryAfter(retryAfter)) : new UnexpectedAnswer(url, status)
}

function parseProblem(text: string): Problem | null {
  try {
    const value = JSON.parse(text)
    return typeof value?.code === 'string' && typeof value.detail === 'string' ? value : null
  } catch {
    return null
  }
}

/** Stevedore says it in seconds (RFC 9110 §10.2.3). */
function parseRetryAfter(value: string | null): number | null {
  return value !== null && /^\d{1,9}$/.test(value) ? Number(value) : null
}
