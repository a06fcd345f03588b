import { Webhook } from 'standardwebhooks'
import type { Journal, Meter, PostSigned, SignedMessage } from '../core/ports.ts'
import { parseRetryAfter } from '../core/retry-after.ts'
import type { TraceHeaders } from '../core/trace-context.ts'

export interface SignedPostParts {
  timeoutMs: number
  mostAnswerBytes: number
  meter: Meter
  journal: Pick<Journal, 'trace'>
}

/**
 * Posts messages signed as Standard Webhooks 1.0 says, with the time of the attempt. Redirects are not followed. An
 * answer counts from its head on: whatever becomes of its body, its status stands. Of the body the first `mostAnswerBytes`
 * are read. The receiver is told which trace it is a part of.
 */
export function signedPost({ timeoutMs, mostAnswerBytes, meter, journal }: SignedPostParts): PostSigned {
  return async (message) => {
    const startedAt = Date.now()
    const duration = () => ({ durationMs: Date.now() - startedAt })
    const signal = AbortSignal.timeout(timeoutMs)
    const end = meter('post')
    try {
      const response = await fetch(message.url, {
        method: 'POST',
        headers: { ...headersOf(message, new Date(startedAt)), ...traceFields(journal.trace()) },
        body: message.body,
        redirect: 'manual',
        signal,
      })
      const body = await readBeginning(response, mostAnswerBytes)
      const retryAfterSeconds = parseRetryAfter(response.headers.get('retry-after'), Date.now())
      end()
      return { kind: 'answered', status: response.status, retryAfterSeconds, body, ...duration() }
    } catch (error) {
      end('failed')
      const reason = signal.aborted ? `There was no answer within ${timeoutMs / 1000} s.` : reasonOf(error)
      return { kind: 'failed', reason, ...duration() }
    }
  }
}

function headersOf({ id, body, secrets }: SignedMessage, time: Date): Record<string, string> {
  return {
    'content-type': 'application/json',
    'user-agent': 'Stevedore-Webhooks/1',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(time.getTime() / 1000)),
    'webhook-signature': secrets.map((secret) => new Webhook(secret).sign(id, time, body)).join(' '),
  }
}

function traceFields({ traceparent, tracestate }: TraceHeaders): Record<string, string> {
  if (traceparent === null) return {}
  return { traceparent, ...(tracestate === null ? {} : { tracestate }) }
}

/** The first bytes of an answer as text; what has come so far where it breaks off or takes too long. */
async function readBeginning(response: Response, mostAnswerBytes: number): Promise<string> {
  const bytes = new Uint8Array(mostAnswerBytes)
  let length = 0
  const reader = response.body?.getReader()
  try {
    while (reader && length < mostAnswerBytes) {
      const { done, value } = await reader.read()
      if (done) break
      const taken = value.subarray(0, mostAnswerBytes - length)
      bytes.set(taken, length)
      length += taken.byteLength
    }
  } catch {
    // The receiver has died in the middle of its answer. It had said what it thinks of the message.
  }
  await reader?.cancel().catch(() => {})
  return new TextDecoder().decode(bytes.subarray(0, length))
}

function reasonOf(error: unknown): string {
  return `The request failed: ${error instanceof Error ? error.message : String(error)}`.slice(0, 300)
}
