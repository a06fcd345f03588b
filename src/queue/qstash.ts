import { Client, Receiver } from '@upstash/qstash'
import { maxRunningPerDomain } from '../core/backoff.ts'
import { deduplicationId, type Job } from '../core/job.ts'
import type { JobQueue } from '../core/ports.ts'

export interface QStashOptions {
  token: string
  /** Another address than QStash's own, for a region or a local server. */
  baseUrl?: string | undefined
  /** Where this deployment is called back: its origin and nothing else. */
  callbackUrl: string
}

/** QStash's own retries, before the failure callback. It spaces them by about e^(2.5 n) seconds. */
const deliveryRetries = 3

/** Deliveries of one domain that QStash makes at once, so that one domain's flood does not starve the others. */
const parallelismPerDomain = maxRunningPerDomain

/** Jobs through QStash, which calls `POST /internal/jobs` back for each of them. */
export class QStashJobQueue implements JobQueue {
  readonly #client: Client
  readonly #callbackUrl: string

  constructor({ token, baseUrl, callbackUrl }: QStashOptions) {
    // Retrying here would only delay the answer: a failed publish is made good by the reconciler.
    this.#client = new Client({
      token,
      ...(baseUrl ? { baseUrl } : {}),
      retry: false,
      enableTelemetry: false,
    })
    this.#callbackUrl = callbackUrl
  }

  async publish(jobs: readonly Job[], { delaySeconds = 0 }: { delaySeconds?: number } = {}): Promise<void> {
    const messages = jobs.map((job) => ({
      url: jobUrl(this.#callbackUrl),
      body: job,
      retries: deliveryRetries,
      deduplicationId: deduplicationId(job),
      failureCallback: failedJobUrl(this.#callbackUrl),
      flowControl: { key: job.domainId, parallelism: parallelismPerDomain },
      ...(delaySeconds > 0 ? { delay: delaySeconds } : {}),
    }))
    const [only] = messages
    if (messages.length === 1 && only) await this.#client.publishJSON(only)
    else if (messages.length > 1) await this.#client.batchJSON(messages)
  }
}

/** Where QStash delivers, and the URL that its signature is bound to. */
export function jobUrl(callbackUrl: string): string {
  return new URL('/internal/jobs', callbackUrl).href
}

/** Where QStash tells of a message that it gave up. */
export function failedJobUrl(callbackUrl: string): string {
  return new URL('/internal/jobs/failed', callbackUrl).href
}

/**
 * A check of `Upstash-Signature` with QStash's current and next signing key. It answers whether `body` was signed for
 * exactly `url`: without a URL the official receiver would take a signature for any other destination.
 */
export function qstashVerifier(keys: { current: string; next: string }) {
  const receiver = new Receiver({
    currentSigningKey: keys.current,
    nextSigningKey: keys.next,
  })
  return async (signature: string | undefined, body: string, url: string): Promise<boolean> => {
    if (!signature) return false
    try {
      return await receiver.verify({ signature, body, url })
    } catch {
      return false
    }
  }
}
