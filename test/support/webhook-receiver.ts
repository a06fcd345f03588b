import { Webhook } from 'standardwebhooks'
import { expect } from 'vitest'
import { webhookMessageSchema } from '../../src/routes/event-schemas.ts'

/** One message that has arrived, as the official library has let it pass. */
export interface ReceivedMessage {
  path: string
  /** `webhook-id`. */
  id: string
  /** `webhook-timestamp`, in seconds. */
  timestamp: number
  signatures: number
  traceparent: string | null
  tracestate: string | null
  type: string
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into messages of any shape
  data: any
  // biome-ignore lint/suspicious/noExplicitAny: the same
  body: any
}

/** What a receiver does with a message: any answer, or one that never comes. */
export type Behaviour = (message: ReceivedMessage) => Response | Promise<Response>

export const accept: Behaviour = () => new Response(null, { status: 204 })

/**
 * A receiver of webhooks that takes nothing which the official library of Standard Webhooks does not verify. Each path is
 * an endpoint of its own, with its secret and its behaviour.
 */
export class WebhookReceiver {
  readonly received: ReceivedMessage[] = []
  /** What has arrived and was not signed as it should be. */
  readonly unverified: string[] = []
  readonly #endpoints = new Map<string, { secret: string; behave: Behaviour }>()

  /** Takes what is sent to this path, if it is signed with this secret. */
  listen(path: string, secret: string, behave: Behaviour = accept): void {
    this.#endpoints.set(path, { secret, behave })
  }

  /** From now on the endpoint behaves like this. */
  behave(path: string, behave: Behaviour): void {
    const endpoint = this.#endpoints.get(path)
    if (!endpoint) throw new Error(`Nobody listens at ${path}.`)
    endpoint.behave = behave
  }

  /** What has arrived at a path. */
  at(path: string): ReceivedMessage[] {
    return this.received.filter((message) => message.path === path)
  }

  async handle(path: string, headers: Headers, body: string): Promise<Response> {
    const endpoint = this.#endpoints.get(path)
    if (!endpoint) {
      this.unverified.push(`${path}: nobody listens there`)
      return new Response(null, { status: 404 })
    }
    try {
      const sent = new Webhook(endpoint.secret).verify(body, Object.fromEntries(headers))
      // What applications are told that a message looks like, and nothing beside it.
      expect(webhookMessageSchema.parse(sent)).toEqual(sent)
    } catch (error) {
      this.unverified.push(`${path}: ${error}`)
      return new Response('not verified', { status: 401 })
    }
    const parsed = JSON.parse(body)
    const message: ReceivedMessage = {
      path,
      id: headers.get('webhook-id') ?? '',
      timestamp: Number(headers.get('webhook-timestamp')),
      signatures: (headers.get('webhook-signature') ?? '').split(' ').length,
      traceparent: headers.get('traceparent'),
      tracestate: headers.get('tracestate'),
      type: parsed.type,
      data: parsed.data,
      body: parsed,
    }
    this.received.push(message)
    return endpoint.behave(message)
  }
}
