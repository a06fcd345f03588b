import { signal } from '@preact/signals'
import { sleep } from '../../client/retry.ts'
import { StevedoreError, streamingClientFor, type WatchedEvent } from './api.ts'

/** What is told of a domain's uploads; `connected`: what was read before may be out of date. */
export type LiveEvent = WatchedEvent | { type: 'connected' }
type Listener = (event: LiveEvent) => void

/** How far an upload is between two events: only what was told while this page was open. */
export interface LiveProgress {
  step: string | null
  /** 0 to 1; null where nobody can tell. */
  progress: number | null
}

/** Whether the domain that is followed is followed at this moment. */
export const isLive = signal(false)

/** By the uploads' ids. */
export const liveProgress = signal<ReadonlyMap<string, LiveProgress>>(new Map())

interface Stream {
  domain: string
  listeners: Set<Listener>
  end: AbortController
}

/** How long after the client has given the stream up it is asked for again. */
const againMs = 30_000

/** One stream for the whole console: only one domain is looked at at a time. */
let stream: Stream | undefined

/** Tells `listener` what happens in the domain until the returned function is called. */
export function followDomain(domain: string, listener: Listener): () => void {
  if (stream?.domain !== domain) {
    stream?.end.abort()
    stream = { domain, listeners: new Set(), end: new AbortController() }
    void run(stream)
  }
  const joined = stream
  joined.listeners.add(listener)
  return () => {
    joined.listeners.delete(listener)
    // Whoever goes from one page of the domain to another goes on with the same stream.
    setTimeout(() => joined.listeners.size === 0 && close(joined))
  }
}

function close(ended: Stream): void {
  ended.end.abort()
  if (stream === ended) stream = undefined
}

async function run({ domain, listeners, end }: Stream): Promise<void> {
  const tell = (event: LiveEvent) => {
    for (const listener of listeners) listener(event)
  }
  const client = streamingClientFor(domain, (isConnected) => {
    if (stream?.end !== end) return
    isLive.value = isConnected
    if (isConnected) tell({ type: 'connected' })
  })
  while (!end.signal.aborted) {
    try {
      for await (const event of client.watchAll({ signal: end.signal })) {
        noteProgress(event)
        tell(event)
      }
    } catch (error) {
      if (isForGood(error)) break
    }
    if (end.signal.aborted) break
    showNothing()
    await sleep(againMs, end.signal).catch(() => {})
  }
  if (stream?.end !== end && stream !== undefined) return
  stream = undefined
  showNothing()
}

function showNothing(): void {
  isLive.value = false
  liveProgress.value = new Map()
}

/** Whether asking again can't help: the page works without the stream, and the indicator tells of it. */
function isForGood(error: unknown): boolean {
  return error instanceof StevedoreError && [401, 403].includes(error.status)
}

/** Progress is over with the next event of its upload. */
function noteProgress(event: WatchedEvent): void {
  if (event.type === 'reset') return
  if (event.type !== 'progress' && !liveProgress.peek().has(event.id)) return
  const progress = new Map(liveProgress.peek())
  if (event.type === 'progress') progress.set(event.id, { step: event.step ?? null, progress: event.progress })
  else progress.delete(event.id)
  liveProgress.value = progress
}
