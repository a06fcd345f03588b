import { AsyncLocalStorage } from 'node:async_hooks'
import { type Invocation, Outage } from './outside-calls.ts'

/** A service that the Worker reaches by fetch. */
export interface FetchedService {
  /** Its base URL, without a slash at the end. */
  url: string
  /** What a request is called: the service, and what is asked of it. */
  nameOf(path: string, body: string): string
  /** Answers a request. */
  fetch(path: string, init: { method: string; headers: Headers; body: string }): Promise<Response>
}

const current = new AsyncLocalStorage<Invocation>()

/** Runs something as part of an invocation: what it fetches is a call of that invocation. */
export function within<T>(invocation: Invocation, run: () => T): T {
  return current.run(invocation, run)
}

/**
 * From now on, each fetch by an invocation is an outside call to one of these services, and its timeouts are those of the
 * invocation. The clients keep their own `fetch` calls: only the way out of the Worker is watched.
 */
export function watchFetch(services: readonly FetchedService[]): void {
  const unwatched = { fetch: globalThis.fetch.bind(globalThis), timeout: AbortSignal.timeout.bind(AbortSignal) }
  AbortSignal.timeout = (ms) => current.getStore()?.timeout() ?? unwatched.timeout(ms)
  globalThis.fetch = async (input, init = {}) => {
    const invocation = current.getStore()
    if (!invocation) return unwatched.fetch(input, init)
    const url = String(input)
    const service = services.find((service) => url.startsWith(service.url))
    if (!service) throw new Error(`The Worker fetches ${url}, which is no service of this test.`)
    const path = url.slice(service.url.length) || '/'
    const request = { method: init.method ?? 'GET', headers: new Headers(init.headers), body: String(init.body ?? '') }
    const effect = async () => {
      const response = await current.exit(() => service.fetch(path, request))
      // Read to its end: an answer is there as a whole or not at all.
      return new Response(await response.arrayBuffer(), response)
    }
    try {
      return await invocation.call(service.nameOf(path, request.body), effect, init.signal ?? undefined)
    } catch (error) {
      if (!(error instanceof Outage)) throw error
      return Response.json({ error: 'ERR out of order' }, { status: 503 })
    }
  }
}
