import { ConnectionError, errorOf, UnexpectedAnswer } from './errors.ts'
import { type Repeatable, retryDelayMs, sleep } from './retry.ts'

/** Sends one request; what `fetch` is. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** A request, as the parts of the client put it. */
export interface Call {
  query?: Record<string, string | number | boolean | undefined> | undefined
  headers?: Record<string, string | undefined> | undefined
  /** Sent as JSON. */
  json?: unknown
  body?: Blob | undefined
  /** In place of the client's own credential. */
  credential?: string | undefined
  signal?: AbortSignal | undefined
  /** Without it, a GET is repeatable always, and anything else when the server has done nothing. */
  repeatable?: Repeatable | undefined
  /** How often it is sent again at most, in place of the client's own number. */
  retries?: number | undefined
  /** In place of the client's own fetch. */
  fetch?: Fetch | undefined
}

export interface TransportOptions {
  url: URL
  credential: () => string | undefined | Promise<string | undefined>
  domain: string | undefined
  /** Undefined: the runtime's own. */
  fetch: Fetch | undefined
  retries: number
}

/** The server's interface over HTTP: addresses, credential, retries, and every refusal as an error. */
export class Transport {
  readonly fetch: Fetch
  /** Whether requests are somebody else's to send. */
  readonly hasOwnFetch: boolean
  readonly retries: number
  readonly #options: TransportOptions

  constructor(options: TransportOptions) {
    this.fetch = options.fetch ?? ((url, init) => fetch(url, init))
    this.hasOwnFetch = options.fetch !== undefined
    this.retries = options.retries
    this.#options = options
  }

  /** The JSON of a successful answer; undefined when it has no body. Throws as `request` does. */
  async json<T>(method: string, path: string, call?: Call): Promise<T> {
    const response = await this.request(method, path, call)
    const text = await this.#read(response, call?.signal)
    try {
      return text === '' ? (undefined as T) : JSON.parse(text)
    } catch {
      throw new UnexpectedAnswer(response.url || this.address(path), response.status)
    }
  }

  /**
   * A successful answer, its body unread. Throws, after as many tries as are allowed and make sense, `StevedoreError` for
   * any other, `ConnectionError` when there was none, `UnexpectedAnswer` for one of somebody else; and the signal's
   * reason when that aborts.
   */
  async request(method: string, path: string, call: Call = {}): Promise<Response> {
    const { signal, retries = this.retries, repeatable = method === 'GET' ? 'always' : 'when-undone' } = call
    for (let tries = 1; ; tries++) {
      try {
        return await this.#try(method, this.address(path, call.query), call)
      } catch (error) {
        const delayMs = tries > retries ? null : retryDelayMs(error, tries, repeatable)
        if (delayMs === null) throw error
        await sleep(delayMs, signal)
      }
    }
  }

  address(path: string, query: Call['query'] = {}): string {
    const { url, domain } = this.#options
    const address = new URL(path, url)
    // Administration names the domain in its path, which may be another than the one that the client is for.
    if (domain !== undefined && !/^\/v1\/(domains|admin)\b/.test(path)) address.searchParams.set('domain', domain)
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) address.searchParams.set(name, String(value))
    }
    return address.href
  }

  /** The client's own credential, as it is now; undefined without one. */
  async credential(): Promise<string | undefined> {
    return this.#options.credential()
  }

  /** The value of `Authorization`; undefined without a credential. `credential` is one in place of the client's own. */
  async authorization(credential?: string): Promise<string | undefined> {
    const secret = credential ?? (await this.credential())
    return secret === undefined ? undefined : `Bearer ${secret}`
  }

  async #try(method: string, url: string, call: Call): Promise<Response> {
    const { signal, json } = call
    const headers = present({
      accept: 'application/json, application/problem+json',
      authorization: await this.authorization(call.credential),
      ...(json !== undefined && { 'content-type': 'application/json' }),
      ...call.headers,
    })
    const body = json === undefined ? call.body : JSON.stringify(json)
    const send = call.fetch ?? this.fetch
    const init = { method, headers, ...(body !== undefined && { body }), ...(signal && { signal }) }
    const response = await send(url, init).catch((error) => this.#unreachable(error, signal))
    if (response.ok) return response
    throw errorOf(url, response.status, await this.#read(response, signal), response.headers.get('retry-after'))
  }

  #read(response: Response, signal: AbortSignal | undefined): Promise<string> {
    return response.text().catch((error) => this.#unreachable(error, signal))
  }

  #unreachable(error: unknown, signal: AbortSignal | undefined): never {
    signal?.throwIfAborted()
    throw new ConnectionError(`No answer from ${this.#options.url.origin}.`, { cause: error })
  }
}

function present(headers: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}
