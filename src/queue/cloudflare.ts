import type { Job } from '../core/job.ts'
import type { JobQueue } from '../core/ports.ts'

/** sendBatch takes at most 100 messages and 256 KB; a job is some 150 bytes. */
const maxBatch = 100

/** Jobs on a Cloudflare Queue: the default, with no account of another service. */
export class CloudflareJobQueue implements JobQueue {
  readonly #queue: Queue<Job>

  constructor(queue: Queue<Job>) {
    this.#queue = queue
  }

  async publish(jobs: readonly Job[], { delaySeconds = 0 }: { delaySeconds?: number } = {}): Promise<void> {
    const [only] = jobs
    if (jobs.length === 1 && only) {
      await this.#queue.send(only, { delaySeconds })
      return
    }
    for (let start = 0; start < jobs.length; start += maxBatch) {
      await this.#queue.sendBatch(jobs.slice(start, start + maxBatch).map((body) => ({ body, delaySeconds })))
    }
  }
}

/**
 * Hands each message of a batch to `handle`, and gives back to the queue only those that threw: what is wrong with a
 * file is settled in its row, so a message is retried just when the row could not be reached.
 */
export async function consumeBatch(batch: MessageBatch, handle: (message: unknown) => Promise<unknown>): Promise<void> {
  await Promise.all(
    batch.messages.map(async (message) => {
      try {
        await handle(message.body)
        message.ack()
      } catch {
        message.retry({
          delaySeconds: Math.min(10 * 2 ** message.attempts, 600),
        })
      }
    }),
  )
}
