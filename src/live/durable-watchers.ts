import { Refusal, Unavailable } from '../core/errors.ts'
import type { Progress } from '../core/file-event.ts'
import type { Jurisdiction, Located } from '../core/jurisdiction.ts'
import type { Log, Watchers } from '../core/ports.ts'
import { maxWatchers, maxWatchersPerClient, type OpenWatch, type Watch } from '../core/watch.ts'
import { headHeader, type WatchObject, type WatchRequest } from './watch-object.ts'

/** When a refused watcher is to come back. */
const retryAfterSeconds = 30

export interface DurableWatchersParts {
  objects: DurableObjectNamespace<WatchObject>
  /** On a developer's machine there is one place for all: the local runtime has no jurisdictions. */
  isLocal: boolean
  /** Where a domain has its data; null when there is no such domain. */
  locate(domainId: string): Promise<Located | null>
  log: Log
  /** Lets a promise outlive the answer. */
  defer(promise: Promise<unknown>): void
}

/** Watchers in a Durable Object for each domain, which is where the domain's data is. */
export class DurableWatchers implements Watchers {
  readonly #parts: DurableWatchersParts

  constructor(parts: DurableWatchersParts) {
    this.#parts = parts
  }

  hint(domainId: string): void {
    this.#tell(domainId, (object) => object.hint())
  }

  progress(domainId: string, progress: Progress): void {
    this.#tell(domainId, (object) => object.progress(progress))
  }

  async open(domain: Located & { id: string }, watch: Watch): Promise<OpenWatch> {
    const { id: domainId, jurisdiction } = domain
    const request: WatchRequest = { domainId, jurisdiction, watch }
    const answer = await this.#objectOf(domainId, jurisdiction)
      .fetch('http://watch/', { method: 'POST', body: JSON.stringify(request) })
      .catch((error) => {
        throw new Unavailable('The watch could not begin.', { cause: error })
      })
    if (answer.status === 503) {
      throw new Refusal('busy', `${maxWatchers} watch this domain, and no more may at once. Try again later.`, {
        facts: { limit: maxWatchers },
        retryAfterSeconds,
      })
    }
    if (answer.status === 429) {
      throw new Refusal(
        'too-many-watchers',
        `You watch this domain ${maxWatchersPerClient} times, which is the most at once. End a stream first.`,
        {
          facts: { limit: maxWatchersPerClient },
          retryAfterSeconds,
        },
      )
    }
    if (answer.status !== 200 || !answer.body) throw new Unavailable(`The watch ended with ${answer.status}.`)
    return { head: Number(answer.headers.get(headHeader)), body: answer.body }
  }

  /** Behind the answer, and whether it arrives or not: those who watch look by themselves as well. */
  #tell(domainId: string, send: (object: DurableObjectStub<WatchObject>) => Promise<void>): void {
    const { locate, log, defer } = this.#parts
    const telling = async () => {
      const place = await locate(domainId)
      if (place) await send(this.#objectOf(domainId, place.jurisdiction))
    }
    defer(telling().catch((error) => log('warn', 'watchers-not-told', { domainId, error })))
  }

  #objectOf(domainId: string, jurisdiction: Jurisdiction | null): DurableObjectStub<WatchObject> {
    const { objects, isLocal } = this.#parts
    const there = jurisdiction === null || isLocal ? objects : objects.jurisdiction(jurisdiction)
    return there.getByName(domainId)
  }
}
