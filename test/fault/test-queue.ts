import type { Job } from '../../src/core/job.ts'
import type { OutsideCall } from './outside-calls.ts'

/** As `max_retries` in wrangler.toml. */
const mostDeliveries = 6
/** A message of which nobody has said what became of it is delivered again. */
const visibilityMs = 60_000

interface Message {
  body: Job
  attempts: number
  readyAt: number
}

/**
 * In the place of the queue that the Worker is bound to, behind its own adapter: it keeps what is sent until the test
 * hands it to a consumer, on the clock of the test, and brings back what was not acknowledged.
 */
export class TestQueue {
  #messages: Message[] = []

  /** The binding as one invocation sees it. */
  binding(call: OutsideCall, now: () => number): Queue<Job> {
    const keep = (body: Job, delaySeconds = 0) =>
      this.#messages.push({ body: structuredClone(body), attempts: 0, readyAt: now() + delaySeconds * 1000 })
    return {
      send: (body: Job, options?: QueueSendOptions) =>
        call('queue send', async () => {
          keep(body, options?.delaySeconds)
        }),
      sendBatch: (messages: Iterable<MessageSendRequest<Job>>) =>
        call('queue sendBatch', async () => {
          for (const { body, delaySeconds } of messages) keep(body, delaySeconds)
        }),
    } as unknown as Queue<Job>
  }

  /** Loses everything, as a queue may. */
  lose(): void {
    this.#messages = []
  }

  get length(): number {
    return this.#messages.length
  }

  /** What is ready to be delivered, as one batch. What is not acknowledged comes back by itself. */
  take(now: number): MessageBatch | null {
    const ready = this.#messages.filter((message) => message.readyAt <= now)
    if (ready.length === 0) return null
    for (const message of ready) {
      message.attempts++
      message.readyAt = now + visibilityMs
    }
    this.#messages = this.#messages.filter((message) => message.attempts < mostDeliveries || !ready.includes(message))
    return {
      queue: 'stevedore-jobs',
      messages: ready.map((message) => ({
        body: structuredClone(message.body),
        attempts: message.attempts,
        ack: () => {
          this.#messages = this.#messages.filter((other) => other !== message)
        },
        retry: (options?: QueueRetryOptions) => {
          message.readyAt = now + (options?.delaySeconds ?? 0) * 1000
        },
      })),
    } as unknown as MessageBatch
  }
}
