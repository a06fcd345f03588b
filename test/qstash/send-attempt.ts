import type { Message } from './message.ts'
import type { Answer } from './message-views.ts'
import { signDelivery } from './sign-delivery.ts'

/** How attempts leave the server; the harness's `fetch` fits, and reaches hosts that Node cannot resolve. */
export type DeliveryFetch = (
  url: string,
  init: {
    method: string
    headers: Record<string, string>
    body?: Uint8Array<ArrayBuffer>
    redirect: 'manual'
    signal: AbortSignal
  },
) => Promise<{ status: number; headers: Iterable<[string, string]>; arrayBuffer(): Promise<ArrayBuffer> }>

/** Sends one attempt, signed with `key`. No answer, a timeout or an abort by `closing` is status 0 with the error. */
export async function sendAttempt(
  message: Message,
  retried: number,
  { fetch, key, closing }: { fetch: DeliveryFetch; key: string; closing: AbortSignal },
): Promise<Answer> {
  const { url, method } = message
  const carriesBody = method !== 'GET'
  const body = new Uint8Array(carriesBody ? message.body : [])
  const headers = {
    ...Object.fromEntries(message.header),
    'user-agent': 'Upstash-QStash',
    'upstash-message-id': message.messageId,
    'upstash-retried': String(retried),
    'upstash-caller-ip': message.callerIp,
    'upstash-signature': signDelivery({ url, body }, key, Date.now()),
  }
  const signal = AbortSignal.any([closing, AbortSignal.timeout(message.timeoutMs)])
  try {
    const response = await fetch(url, { method, headers, redirect: 'manual', signal, ...(carriesBody ? { body } : {}) })
    return {
      status: response.status,
      headers: new Headers([...response.headers]),
      body: Buffer.from(await response.arrayBuffer()),
      error: undefined,
    }
  } catch (cause) {
    return { status: 0, headers: new Headers(), body: Buffer.alloc(0), error: reason(cause) }
  }
}

/** Node's fetch says only "fetch failed"; its cause says why. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}
