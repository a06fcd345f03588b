import type { IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { domainToASCII } from 'node:url'
import type { Problem } from './api.ts'
import { type CommandError, Refused, Unreachable } from './errors.ts'
import { exchange, readWhole } from './exchange.ts'
import { type FailedTry, type Repeatable, retryDelayMs } from './retry.ts'
import type { Settings } from './settings.ts'

/** A request, as the commands put it. */
export interface Call {
  query?: Record<string, string | number | boolean | undefined>
  headers?: Record<string, string>
  /** The credential, in place of the settings' own. */
  key?: string | undefined
  /** Sent as JSON. */
  json?: unknown
  /** The body's pieces from their beginning; called again for each try. */
  body?: () => AsyncIterable<Uint8Array>
  /** How many bytes of the body the socket has taken in this try; 0 at its start. */
  onProgress?: (sentBytes: number) => void
  /** Without it, a GET is repeatable always, and anything else when the server has done nothing. */
  repeatable?: Repeatable
}

export interface ClientOptions {
  settings: Settings
  version: string
  /** How often a request is sent again at most. */
  retries: number
  signal: AbortSignal
  /** Told in a sentence when the client waits to try again. */
  note: (text: string) => void
}

/** The server's interface over HTTP: credential, domain, retries, and every refusal as an error. */
export class Client {
  readonly settings: Settings
  readonly signal: AbortSignal
  /** How often a request is sent again at most. */
  readonly retries: number
  readonly #options: ClientOptions

  constructor(options: ClientOptions) {
    this.settings = options.settings
    this.signal = options.signal
    this.retries = options.retries
    this.#options = options
  }

  /** The JSON of a successful answer; undefined when it has no body. Throws `Refused` for any other answer. */
  async json<T>(method: string, path: string, call: Call = {}): Promise<T> {
    const response = await this.open(method, path, call)
    const text = await readWhole(this.settings.url, response, this.signal)
    if (text === '') return undefined as T
    const value = parseJson(text)
    if (value !== undefined) return value as T
    throw new Refused(notStevedore(response, this.settings.url))
  }

  /**
   * A successful answer, its body unread. Throws `Refused` for any other, after as many tries as are allowed and make
   * sense, `Unreachable` when there was none, and the signal's reason when that aborts.
   */
  async open(method: string, path: string, call: Call = {}): Promise<IncomingMessage> {
    const { retries, signal } = this
    const { note } = this.#options
    for (let tries = 1; ; tries++) {
      const outcome = await this.#try(method, path, call)
      if ('response' in outcome) return outcome.response
      const { failed, error } = outcome
      const repeatable = call.repeatable ?? (method === 'GET' ? 'always' : 'when-undone')
      const delayMs = tries > retries ? null : retryDelayMs(failed, { tries, repeatable, now: Date.now() })
      if (delayMs === null) throw error
      note(`${error.message} Trying again in ${Math.ceil(delayMs / 1000)} s (${tries} of ${retries}).`)
      await sleep(delayMs, undefined, { signal }).catch(() => signal.throwIfAborted())
    }
  }

  async #try(
    method: string,
    path: string,
    call: Call,
  ): Promise<{ response: IncomingMessage } | { failed: FailedTry; error: CommandError }> {
    const { settings, signal } = this
    const { body, headers } = this.#body(call)
    let sentBytes = 0
    call.onProgress?.(0)
    try {
      const response = await exchange(this.#address(path, call.query), {
        method,
        headers: { ...this.#headers(path, call.key), ...headers, ...call.headers },
        ...(body && { body }),
        onSent: (bytes) => {
          sentBytes += bytes
          call.onProgress?.(sentBytes)
        },
        signal,
      })
      const status = response.statusCode ?? 0
      if (status >= 200 && status < 300) return { response }
      const error = new Refused(await readProblem(response, settings.url, signal))
      return { failed: { status, retryAfter: response.headers['retry-after'] }, error }
    } catch (error) {
      if (error instanceof Unreachable) return { failed: { error }, error }
      throw error
    }
  }

  #address(path: string, query: Call['query'] = {}): URL {
    const url = new URL(path, this.settings.url)
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, `${value}`)
    return url
  }

  #headers(path: string, key = this.settings.key): Record<string, string> {
    const { domain } = this.settings
    // Administration names the domain in its path, which may be another than the one that the settings are for.
    const isForDomain = domain !== undefined && !path.startsWith('/v1/domains')
    return {
      accept: 'application/json, application/problem+json',
      'user-agent': `stevedore-cli/${this.#options.version}`,
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
      ...(isForDomain && { 'x-upload-domain': asciiHostname(domain) }),
    }
  }

  #body({ json, body }: Call): { body?: AsyncIterable<Uint8Array> | Uint8Array[]; headers: Record<string, string> } {
    if (json === undefined) return body ? { body: body(), headers: {} } : { headers: {} }
    const bytes = Buffer.from(JSON.stringify(json))
    return { body: [bytes], headers: { 'content-type': 'application/json', 'content-length': `${bytes.byteLength}` } }
  }
}

/** One segment of a path, from text that anybody may have typed. */
export const segment = (text: string) => encodeURIComponent(text)

/** A hostname in the letters that a header and the DNS hold: an international one in punycode. */
export const asciiHostname = (text: string) => domainToASCII(text) || text

async function readProblem(response: IncomingMessage, url: URL, signal: AbortSignal): Promise<Problem> {
  const value = parseJson(await readWhole(url, response, signal))
  const { title, code } = Object(value)
  if (typeof title === 'string' && typeof code === 'string') return value as Problem
  return notStevedore(response, url)
}

/** Something answered that is no Stevedore: a proxy before it, or another server. */
function notStevedore({ statusCode: status = 0, statusMessage, headers }: IncomingMessage, url: URL): Problem {
  const title = `${url.origin} answered ${status} ${statusMessage ?? ''}`.trim()
  const detail =
    status >= 300 && status < 400
      ? `It redirects to ${headers.location ?? 'another address'}. Give that server as STEVEDORE_URL if it is the right one: a key is never sent on by itself.`
      : 'The answer is not one of Stevedore. Is STEVEDORE_URL right, or is the server behind a proxy that is in trouble?'
  return { title, status, detail }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
