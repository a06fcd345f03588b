import type { Job } from '../../../src/core/job.ts'
import type { OutsideCall } from '../outside-calls.ts'
import type { Entrances, StageQueue } from './stage-queue.ts'

const jobs = 'stevedore-jobs'
const deadJobs = 'stevedore-jobs-dead'

/** As `max_retries` in wrangler.toml, and the first delivery. */
const mostDeliveries = new Map([
  [jobs, 6],
  [deadJobs, 11],
])
/** As `max_batch_size` in wrangler.toml. */
const maxBatch = 10
/** A message of which nobody has said what became of it is delivered again. */
const visibilityMs = 60_000

interface Message {
  queue: string
  body: unknown
  attempts: number
  readyAt: number
}

/**
 * Cloudflare Queues, behind the binding that the Worker's own adapter sends to and before its `queue` handler: it keeps
 * what is sent on the clock of the test, brings back what was not acknowledged, and gives up what wrangler.toml says.
 */
export class CloudflareStageQueue implements StageQueue {
  readonly service = 'queue'
  readonly vars = {}
  readonly deliveriesUntilDead = 6
  #messages: Message[] = []
  #entrances!: Entrances

  async open(entrances: Entrances): Promise<void> {
    this.#entrances = entrances
    this.#messages = []
  }

  bindings(call: OutsideCall): Record<string, unknown> {
    const keep = (body: Job, delaySeconds = 0) =>
      this.#messages.push({
        queue: jobs,
        body: structuredClone(body),
        attempts: 0,
        readyAt: this.#entrances.now() + delaySeconds * 1000,
      })
    const JOBS = {
      send: (body: Job, options?: QueueSendOptions) =>
        call('queue send', async () => {
          keep(body, options?.delaySeconds)
        }),
      sendBatch: (messages: Iterable<MessageSendRequest<Job>>) =>
        call('queue sendBatch', async () => {
          for (const { body, delaySeconds } of messages) keep(body, delaySeconds)
        }),
    }
    return { JOBS }
  }

  async elapse(): Promise<void> {}

  async lose(): Promise<void> {
    this.#messages = []
  }

  async isEmpty(): Promise<boolean> {
    return this.#messages.length === 0
  }

  async deliver(): Promise<void> {
    for (let batch = this.#take(); batch; batch = this.#take()) {
      const taken = batch
      const settled: (() => void)[] = []
      await this.#entrances.queue(this.#batchOf(taken, settled), (call) =>
        call('queue settle', async () => {
          for (const settle of settled) settle()
        }),
      )
      // What used up its deliveries, and was neither acknowledged nor answered in time, is given up.
      for (const message of taken) if (message.attempts >= mostDeliveries.get(message.queue)!) this.#bury(message)
    }
  }

  /** What is ready in one of the queues, as one batch. */
  #take(): Message[] | null {
    const now = this.#entrances.now()
    const ready = this.#messages.filter((message) => message.readyAt <= now)
    const batch = ready.filter((message) => message.queue === ready[0]?.queue).slice(0, maxBatch)
    for (const message of batch) {
      message.attempts++
      message.readyAt = now + visibilityMs
    }
    return batch.length > 0 ? batch : null
  }

  /** As the runtime does, what the handler says of its messages takes effect when the whole batch is settled. */
  #batchOf(taken: readonly Message[], settled: (() => void)[]): MessageBatch {
    return {
      queue: taken[0]!.queue,
      messages: taken.map((message) => ({
        body: structuredClone(message.body),
        attempts: message.attempts,
        ack: () => settled.push(() => this.#remove(message)),
        retry: (options?: QueueRetryOptions) =>
          settled.push(() => {
            message.readyAt = this.#entrances.now() + (options?.delaySeconds ?? 0) * 1000
          }),
      })),
    } as unknown as MessageBatch
  }

  #remove(message: Message): void {
    this.#messages = this.#messages.filter((other) => other !== message)
  }

  #bury(message: Message): void {
    if (!this.#messages.includes(message)) return
    this.#remove(message)
    if (message.queue === deadJobs) return
    this.#messages.push({ queue: deadJobs, body: message.body, attempts: 0, readyAt: this.#entrances.now() })
  }
}
