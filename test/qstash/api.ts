import type { DeliverySchedule } from './delivery.ts'
import { type PublishRequest, parsePublish, RefusedRequest } from './message.ts'
import { deadLetterView, eventView, messageView } from './message-views.ts'

export type ApiOptions = {
  /** Milliseconds since 1970. */
  now: () => number
  token: string
  signingKeys: { current: string; next: string }
  deduplicationWindowMs: number
  maxMessageBytes: number
}

/** A request of a client, read to its end. */
export type ApiRequest = {
  method: string
  /** Path and query, as they were sent. */
  target: string
  /** Names in lower case. */
  headers: Map<string, string>
  body: Buffer
  callerIp: string
}

export type ApiReply = { status: number; headers: Record<string, string>; body: string }

type Reply = { status: number; body: unknown }
type Published = { messageId: string; deduplicated?: true }

const publishPath = '/v2/publish/'
const batchPath = '/v2/batch'

/** The HTTP interface that the client talks to. */
export class Api {
  readonly #schedule: DeliverySchedule
  readonly #options: ApiOptions
  readonly #deduplicated = new Map<string, { messageId: string; expiresAt: number }>()
  #refusals = { left: 0, status: 500 }

  constructor(schedule: DeliverySchedule, options: ApiOptions) {
    this.#schedule = schedule
    this.#options = options
  }

  /** Answers the next `n` publish and batch requests with `status`, and keeps none of their messages. */
  failNextPublishes(n: number, status: number): void {
    this.#refusals = { left: n, status }
  }

  /** Answers one request; errors are `{"error": message}`, as QStash's are. */
  answer(request: ApiRequest): ApiReply {
    const { status, body } = this.#reply(request)
    const headers = { 'content-type': 'application/json', ...(status === 429 ? burstLimitHeaders() : {}) }
    return { status, headers, body: JSON.stringify(body) }
  }

  #reply(request: ApiRequest): Reply {
    try {
      return this.#route(request)
    } catch (error) {
      return error instanceof RefusedRequest ? refusal(error) : { status: 500, body: { error: String(error) } }
    }
  }

  #route({ method, target, headers, body, callerIp }: ApiRequest): Reply {
    if (headers.get('authorization') !== `Bearer ${this.#options.token}`) {
      throw new RefusedRequest(401, 'unable to authenticate: invalid token')
    }
    if (method === 'GET') return { status: 200, body: this.#lookUp(target) }
    if (method === 'POST' && target === batchPath) {
      this.#refuseIfTold()
      return { status: 200, body: parseBatch(body, callerIp).map((item) => this.#publishOfBatch(item)) }
    }
    if (method === 'POST' && target.startsWith(publishPath)) {
      this.#refuseIfTold()
      // The destination is not encoded: all that follows, its query included, is its own.
      const destination = target.slice(publishPath.length)
      const published = this.#publish({ destination, headers, body, callerIp })
      return { status: published.deduplicated ? 202 : 200, body: published }
    }
    throw new RefusedRequest(404, `no ${method} ${target}`)
  }

  #refuseIfTold(): void {
    if (this.#refusals.left === 0) return
    this.#refusals.left--
    throw new RefusedRequest(this.#refusals.status, `publish refused with status ${this.#refusals.status}`)
  }

  /** One refused message of a batch does not keep the others back. */
  #publishOfBatch(item: PublishRequest): Published | { error: string } {
    try {
      return this.#publish(item)
    } catch (error) {
      if (error instanceof RefusedRequest) return refusal(error).body
      throw error
    }
  }

  #publish(request: PublishRequest): Published {
    const { maxMessageBytes, deduplicationWindowMs } = this.#options
    const usedBytes = request.body.length
    if (usedBytes > maxMessageBytes) {
      throw new RefusedRequest(413, `quota maxMessageSize exceeded. used: ${usedBytes}, limit: ${maxMessageBytes}`)
    }
    const now = this.#options.now()
    const message = parsePublish(request, now)
    const { messageId, deduplicationId } = message
    if (deduplicationId !== undefined) {
      const earlier = this.#deduplicated.get(deduplicationId)
      if (earlier && earlier.expiresAt > now) return { messageId: earlier.messageId, deduplicated: true }
      this.#deduplicated.set(deduplicationId, { messageId, expiresAt: now + deduplicationWindowMs })
    }
    this.#schedule.add(message)
    return { messageId }
  }

  #lookUp(target: string): unknown {
    const { pathname, searchParams: query } = new URL(target, 'http://qstash')
    const [, , resource, id] = pathname.split('/')
    if (resource === 'keys') return this.#options.signingKeys
    if (resource === 'messages' && id) {
      const message = this.#schedule.pending(id)
      if (!message) throw new RefusedRequest(404, `message ${id} not found`)
      return messageView(message)
    }
    const wanted = (name: string, value: string) => !query.has(name) || query.getAll(name).includes(value)
    const page = <T extends { messageId: string; url: string }>(items: T[]) =>
      items
        .filter((item) => wanted('messageId', item.messageId) && wanted('url', item.url))
        .slice(0, Number(query.get('count') ?? 100))
    if (resource === 'dlq') {
      const letters = this.#schedule.deadLetters.map(deadLetterView)
      return { messages: page(letters.filter((letter) => wanted('dlqIds', letter.dlqId))) }
    }
    if (resource === 'events') {
      const latestFirst = this.#schedule.events.map(eventView).reverse()
      const matching = latestFirst.filter((event) => wanted('state', event.state))
      return { events: page(matching.filter((event) => wanted('messageIds', event.messageId))) }
    }
    throw new RefusedRequest(404, `no GET ${pathname}`)
  }
}

function refusal(error: RefusedRequest) {
  return { status: error.status, body: { error: error.message } }
}

function parseBatch(body: Buffer, callerIp: string): PublishRequest[] {
  const items: unknown = parseJson(body)
  if (!Array.isArray(items)) throw new RefusedRequest(400, 'invalid batch: expected an array of messages')
  return items.map((item: { destination?: unknown; headers?: Record<string, unknown>; body?: unknown }) => ({
    destination: String(item.destination ?? ''),
    headers: new Map(Object.entries(item.headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)])),
    body: Buffer.from(typeof item.body === 'string' ? item.body : ''),
    callerIp,
  }))
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    throw new RefusedRequest(400, 'invalid JSON')
  }
}

/** The client tells a burst limit from a daily one by these headers. */
function burstLimitHeaders(): Record<string, string> {
  const reset = String(Math.ceil(Date.now() / 1000) + 1)
  return { 'Burst-RateLimit-Limit': '100', 'Burst-RateLimit-Remaining': '0', 'Burst-RateLimit-Reset': reset }
}
