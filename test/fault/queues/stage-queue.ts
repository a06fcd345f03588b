import type { OutsideCall } from '../outside-calls.ts'
import type { FetchedService } from '../watched-fetch.ts'

/** The ways by which a queue reaches the Worker. Each runs one handler as an invocation of its own. */
export interface Entrances {
  /** Milliseconds since 1970, on the clock of the stage. */
  readonly now: () => number
  /** The answer, or null when the invocation died without one. */
  fetch(request: Request): Promise<Response | null>
  /** `settle` makes known which messages were acknowledged: the invocation's last call to the outside. */
  queue(batch: MessageBatch, settle: (call: OutsideCall) => Promise<void>): Promise<void>
  /** The scheduled handler. */
  sweep(): Promise<void>
}

/** One of the three queues, between the adapter that the Worker has for it and the handler that gets its jobs. */
export interface StageQueue {
  /** As it begins the names of its calls. */
  readonly service: 'queue' | 'QStash' | 'Redis'
  /** What the Worker is configured with. */
  readonly vars: Readonly<Record<string, string>>
  /** Set where the Worker reaches it by fetch. */
  readonly fetched?: FetchedService
  /** How often `deliver` has to fail, with half an hour between, until it gives a job up. */
  readonly deliveriesUntilDead: number
  /** Bindings as one invocation sees them. */
  bindings(call: OutsideCall): Record<string, unknown>
  /** Begins anew, empty, beside this Worker. */
  open(entrances: Entrances): Promise<void>
  /** Time has passed at once on the clock of the stage. */
  elapse(ms: number): Promise<void>
  /** Delivers what is due, until nothing is. */
  deliver(): Promise<void>
  /** Loses everything, as a queue may. */
  lose(): Promise<void>
  /** Whether it holds nothing any more. */
  isEmpty(): Promise<boolean>
}
