import { errorOf } from '../../client/errors.ts'
import { type CallOptions, ConnectionError, StevedoreClient } from '../../client/index.ts'

export { StevedoreError } from '../../client/index.ts'
export type * from '../../client/types.ts'
export type { WatchedEvent } from '../../client/watch.ts'

/** What the server says of the credential that it was sent: `GET /v1/credential`. */
export interface CredentialView {
  kind: 'administrator' | 'key' | 'upload-token' | 'read-token' | 'processor'
  domain: string | null
  scopes: Scope[]
  expiresAt: string | null
}

export type Scope = 'upload' | 'read' | 'delete' | 'manage'

let credential: string | null = null
let onRefused = () => {}
const clients = new Map<string | undefined, StevedoreClient>()

/** What every request is sent with from now on; null: nothing. */
export function useCredential(value: string | null): void {
  credential = value
  clients.clear()
}

/** Has `listener` called when the server does not know the credential any more: it has ended, or was revoked. */
export function whenCredentialIsRefused(listener: () => void): void {
  onRefused = listener
}

/** The headers that say who asks, and for which domain: for what sends requests of its own. */
export function requestHeaders(domain: string): Record<string, string> {
  return { ...(credential === null ? {} : { Authorization: `Bearer ${credential}` }), 'X-Upload-Domain': domain }
}

/** The client for a domain's files; without a domain, for administration. */
export function clientFor(domain?: string): StevedoreClient {
  const known = clients.get(domain)
  if (known) return known
  const made = makeClient(domain)
  clients.set(domain, made)
  return made
}

/** A client whose stream of events says when it is connected and when it is not: what happens between is not told. */
export function streamingClientFor(domain: string, onConnection: (isConnected: boolean) => void): StevedoreClient {
  return makeClient(domain, onConnection)
}

/** A call of the interface that names its domain in its path, or none. Throws a `StevedoreError` for a refusal. */
export function call<Answer = void>(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
  return clientFor().call<Answer>(method, path, options)
}

/** What the server has answered to a request that somebody else has sent; without one, that no answer came. */
export function refusalOf(request: XMLHttpRequest | undefined): Error {
  if (!request) return new ConnectionError('No answer.')
  return errorOf(request.responseURL || location.href, request.status, request.responseText, null)
}

/** What a person is told of an error. */
export function messageOf(error: unknown): string {
  if (error instanceof ConnectionError) return 'The server could not be reached. Check your connection, and try again.'
  return error instanceof Error ? error.message : String(error)
}

function makeClient(domain: string | undefined, onAnswer = (_isGood: boolean) => {}): StevedoreClient {
  const key = credential
  const send = async (url: string, init: RequestInit) => {
    const answer = await fetch(url, init).catch((error) => {
      onAnswer(false)
      throw error
    })
    onAnswer(answer.ok)
    // Another one may have signed in since.
    if (answer.status === 401 && key === credential) onRefused()
    return answer
  }
  return new StevedoreClient({ url: location.origin, key: key ?? undefined, domain, fetch: send })
}
