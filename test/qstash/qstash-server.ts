import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Api } from './api.ts'
import { type Delivery, DeliverySchedule } from './delivery.ts'
import { type DeliveryFetch, sendAttempt } from './send-attempt.ts'
import { devCredentials } from './sign-delivery.ts'
import { RealTime } from './timeline.ts'

export type QStashServerOptions = {
  /** Multiplies every delay: 0.001 makes a second of delay, backoff, Retry-After or rate period a millisecond. */
  timeScale?: number
  /** Real time, not scaled. QStash's own window is ten minutes. */
  deduplicationWindowMs?: number
  /** QStash's limit is 1 MB on the free plan. */
  maxMessageBytes?: number
  token?: string
  currentSigningKey?: string
  nextSigningKey?: string
  /** 0 picks a free one; the official development server's is 8080. */
  port?: number
  fetch?: DeliveryFetch
}

export type SigningKeyName = 'current' | 'next' | 'garbage'

export type QStashServer = {
  /** Base URL for the client, without a trailing slash. */
  url: string
  /** Every attempt that has ended, callbacks among them, in the order of their ends. */
  deliveries: readonly Delivery[]
  /** How many messages, callbacks included, have had no outcome yet. */
  readonly waiting: number
  /** Resolves once the predicate holds, asked now and after every publish and attempt; rejects after 10 s. */
  waitFor(predicate: (deliveries: readonly Delivery[]) => boolean, timeoutMs?: number): Promise<void>
  /** Resolves once no message, callbacks included, is scheduled, waiting or in flight; rejects after 10 s. */
  idle(timeoutMs?: number): Promise<void>
  /** Delivers a message once more, with the same id; its outcome changes nothing. */
  deliverAgain(messageId: string): Promise<Delivery>
  /** Holds back what becomes due, so that a test can look at it; publishing goes on. */
  pause(): void
  resume(): void
  /** Which key signs from now on; `garbage` is one that no receiver knows. */
  signWith(key: SigningKeyName): void
  /** Answers the next `n` publish and batch requests with `status`, and keeps none of their messages. */
  failNextPublishes(n: number, status: number): void
  /** Stops listening, and drops all timers and open requests. */
  close(): Promise<void>
}

const defaultWaitMs = 10_000

/**
 * Starts a server on loopback that speaks QStash's wire protocol to the official client and signs what it delivers as
 * QStash does. Its token and keys are those of the official development server, so either can stand in for the other.
 */
export async function startQStashServer(options: QStashServerOptions = {}): Promise<QStashServer> {
  const keys = {
    current: options.currentSigningKey ?? devCredentials.currentSigningKey,
    next: options.nextSigningKey ?? devCredentials.nextSigningKey,
    garbage: 'sig_that_no_receiver_knows',
  }
  let signingKey: SigningKeyName = 'current'
  const closing = new AbortController()
  const changes = new EventTarget()
  const timeline = new RealTime()
  const schedule = new DeliverySchedule(
    (message, retried) =>
      sendAttempt(message, retried, {
        fetch: options.fetch ?? fetch,
        key: keys[signingKey],
        closing: closing.signal,
      }),
    timeline,
    options.timeScale ?? 1,
    () => changes.dispatchEvent(new Event('change')),
  )
  const api = new Api(schedule, {
    now: () => timeline.now(),
    token: options.token ?? devCredentials.token,
    signingKeys: { current: keys.current, next: keys.next },
    deduplicationWindowMs: options.deduplicationWindowMs ?? 600_000,
    maxMessageBytes: options.maxMessageBytes ?? 1_000_000,
  })
  const server = createServer((request, response) => void answer(api, request, response))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port ?? 0, '127.0.0.1', resolve)
  })

  const waitUntil = (condition: () => boolean, what: string, timeoutMs = defaultWaitMs): Promise<void> =>
    new Promise((resolve, reject) => {
      const settle = (finish: () => void) => {
        clearTimeout(timer)
        changes.removeEventListener('change', check)
        finish()
      }
      const check = () => {
        try {
          if (condition()) settle(resolve)
        } catch (error) {
          settle(() => reject(error))
        }
      }
      const timer = setTimeout(() => {
        const made = schedule.deliveries.map(({ kind, url, retried, status }) => `${kind} ${url} #${retried} ${status}`)
        settle(() => reject(new Error(`not ${what} within ${timeoutMs} ms; attempts: ${made.join(', ') || 'none'}`)))
      }, timeoutMs)
      changes.addEventListener('change', check)
      check()
    })

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    deliveries: schedule.deliveries,
    get waiting() {
      return schedule.waiting
    },
    waitFor: (predicate, timeoutMs) => waitUntil(() => predicate(schedule.deliveries), 'as awaited', timeoutMs),
    idle: (timeoutMs) => waitUntil(() => schedule.waiting === 0, 'idle', timeoutMs),
    deliverAgain: (messageId) => schedule.deliverAgain(messageId),
    pause: () => schedule.pause(),
    resume: () => schedule.resume(),
    signWith: (key) => {
      signingKey = key
    },
    failNextPublishes: (n, status) => api.failNextPublishes(n, status),
    close: async () => {
      schedule.close()
      closing.abort()
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

async function answer(api: Api, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await readBody(request).catch(() => undefined)
  if (!body) return
  const { method = '', url = '/', socket } = request
  const callerIp = socket.remoteAddress ?? ''
  const reply = api.answer({ method, target: url, headers: headerMap(request), body, callerIp })
  response.writeHead(reply.status, reply.headers).end(reply.body)
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function headerMap(request: IncomingMessage): Map<string, string> {
  return new Map(Object.entries(request.headersDistinct).map(([name, values]) => [name, (values ?? []).join(', ')]))
}
