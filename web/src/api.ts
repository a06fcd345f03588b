/** What is wrong with a request, as the server says it (RFC 9457). `message` is the problem's `detail`. */
export class ApiProblem extends Error {
  readonly status: number
  readonly code: string
  /** The members beside the named ones, such as `limit` and `value`. */
  readonly facts: Readonly<Record<string, unknown>>

  constructor(status: number, code: string, detail: string, facts: Record<string, unknown>) {
    super(detail)
    this.status = status
    this.code = code
    this.facts = facts
  }
}

/** What the server says of the credential that it was sent. */
export interface CredentialView {
  kind: 'administrator' | 'key' | 'upload-token' | 'read-token' | 'processor'
  domain: string | null
  scopes: ('upload' | 'read' | 'delete' | 'manage')[]
  expiresAt: string | null
}

let credential: string | null = null

export function useCredential(value: string): void {
  credential = value
}

export function forgetCredential(): void {
  credential = null
}

/** The headers that say who asks, and for which domain. */
export function requestHeaders(domain?: string): Record<string, string> {
  return {
    ...(credential === null ? {} : { Authorization: `Bearer ${credential}` }),
    ...(domain === undefined ? {} : { 'X-Upload-Domain': domain }),
  }
}

export interface CallOptions {
  /** The domain that the request is for, where its path does not name it. */
  domain?: string
  query?: Record<string, string | number | undefined>
  /** Sent as JSON. */
  body?: unknown
  signal?: AbortSignal
}

/** One call of the interface; gives the JSON of the answer. Throws an `ApiProblem` for a refusal. */
export async function call<Answer = void>(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
  const answer = await send(method, path, options)
  return (answer.status === 204 ? undefined : await answer.json()) as Answer
}

/** The bytes behind an address of the interface, such as a variant's. Throws an `ApiProblem` for a refusal. */
export async function fetchBlob(url: string, options: CallOptions = {}): Promise<Blob> {
  return (await send('GET', url, options)).blob()
}

async function send(method: string, path: string, { domain, query, body, signal }: CallOptions): Promise<Response> {
  const url = new URL(path, location.origin)
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== '') url.searchParams.set(name, String(value))
  }
  const answer = await fetch(url, {
    method,
    headers: { ...requestHeaders(domain), ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
    body: body === undefined ? null : JSON.stringify(body),
    signal: signal ?? null,
  })
  if (!answer.ok) throw await problemOf(answer)
  return answer
}

async function problemOf(answer: Response): Promise<ApiProblem> {
  const document = await answer.json().catch(() => null)
  return toProblem(answer.status, document)
}

/** A problem document as an error; what is none, such as a proxy's page, is told by its status alone. */
export function toProblem(status: number, document: unknown): ApiProblem {
  const { code, detail, ...facts } = Object(document)
  if (typeof code === 'string' && typeof detail === 'string') return new ApiProblem(status, code, detail, facts)
  return new ApiProblem(status, 'unknown', `The server answered with status ${status}. Try again.`, {})
}
