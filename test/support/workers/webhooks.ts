import { expect } from 'vitest'
import type { Job } from '../../../src/core/job.ts'
import { TimedCache } from '../../../src/core/timed-cache.ts'
import type { Deps } from '../../../src/deps.ts'
import { reconcile } from '../../../src/services/reconcile/reconcile.ts'
import { runJob } from '../../../src/services/run-job.ts'
import { type Behaviour, WebhookReceiver } from '../webhook-receiver.ts'
import { administer } from './administration.ts'
import { expectStatus, makeDomain, type Send, type TestDomain } from './client.ts'
import { appWith, depsWith, type Faults, HeldQueue } from './faults.ts'

export const receiverOrigin = 'https://receiver.example'

/** Has what the Worker fetches from the receiver's host answered by the receiver: the adapter in between is the real one. */
function receiveWith(receiver: WebhookReceiver): () => void {
  const original = globalThis.fetch
  globalThis.fetch = (async (input: RequestInfo, init?: RequestInit) => {
    const url = String(input)
    if (!url.startsWith(receiverOrigin)) return original(input, init as RequestInit<never>)
    const answer = receiver.handle(url.slice(receiverOrigin.length), new Headers(init?.headers), String(init?.body))
    return Promise.race([answer, untilAborted(init?.signal)])
  }) as typeof fetch
  return () => {
    globalThis.fetch = original
  }
}

let stopReceiving = () => {}

/** A workshop with a domain of this policy. From now on the receiver's host is this workshop's receiver. */
export async function openWorkshop(
  policy?: Record<string, unknown>,
): Promise<{ shop: WebhookWorkshop; domain: TestDomain }> {
  closeWorkshop()
  const shop = new WebhookWorkshop()
  stopReceiving = receiveWith(shop.receiver)
  return { shop, domain: await makeDomain(policy) }
}

/** Gives `fetch` back as it was. */
export function closeWorkshop(): void {
  stopReceiving()
  stopReceiving = () => {}
}

function untilAborted(signal: AbortSignal | null | undefined): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason))
  })
}

/** The Worker's own parts, with a queue that delivers when it is told to and a clock in the hands of the test. */
export class WebhookWorkshop {
  readonly queue = new HeldQueue()
  readonly receiver = new WebhookReceiver()
  aheadMs = 0
  readonly send: Send
  readonly #quietDomains = new TimedCache<string>(30_000)

  constructor() {
    this.send = appWith({ deps: () => this.#replaced() })
  }

  readonly now = (): number => Date.now() + this.aheadMs

  deps(faults: Faults = {}, more: Partial<Deps> = {}): Deps {
    return { ...depsWith(faults), ...this.#replaced(), ...more }
  }

  /** Makes an endpoint at a path of the receiver, which knows its secret. */
  async endpoint(domain: TestDomain, path: string, events: string[], behave?: Behaviour): Promise<string> {
    const answer = await this.administer(domain, 'POST', '/webhooks', { url: receiverOrigin + path, events })
    expectStatus(answer, 201)
    this.receiver.listen(path, answer.json.secret, behave)
    return answer.json.id
  }

  administer(domain: TestDomain, method: string, path: string, body?: unknown) {
    return administer(domain, method, path, body, { send: this.send })
  }

  /** Runs one job and says what it came to. */
  async run(job: Job, deps = this.deps()): Promise<string> {
    const outcomes: string[] = []
    await runJob(
      { ...deps, log: (_level, event, fields) => event === 'job-done' && outcomes.push(String(fields?.outcome)) },
      job,
    )
    return outcomes.join()
  }

  /** Runs what the queue has, whatever its delay, until it has nothing more; each delay passes. */
  async drain(deps?: Deps): Promise<void> {
    for (
      let published = this.queue.published.splice(0);
      published.length > 0;
      published = this.queue.published.splice(0)
    ) {
      for (const { job, delaySeconds } of published) {
        this.aheadMs += delaySeconds * 1000
        await this.run(job, deps)
      }
    }
  }

  /** Runs what the queue has now, and nothing that comes of it. */
  async runOnce(deps?: Deps): Promise<string[]> {
    const outcomes: string[] = []
    for (const job of this.queue.take()) outcomes.push(await this.run(job, deps))
    return outcomes
  }

  async sweep(): Promise<void> {
    const deps = this.deps()
    for (const place of deps.places) await reconcile({ ...deps, ...place })
  }

  // biome-ignore lint/suspicious/noExplicitAny: a test looks into answers of any shape
  async deliveries(domain: TestDomain, query = ''): Promise<any[]> {
    const answer = await this.administer(domain, 'GET', `/deliveries${query}`)
    expect(answer.status, answer.text).toBe(200)
    return answer.json.deliveries
  }

  #replaced(): Partial<Deps> {
    const { queue, now } = this
    return { queue, now, random: () => 0, log: () => {}, quietDomains: this.#quietDomains }
  }
}
