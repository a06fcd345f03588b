import { encodeEvent, encodeProgress, heartbeat } from '../core/event-stream.ts'
import type { FileEvent, Progress } from '../core/file-event.ts'
import { isTerminal } from '../core/status.ts'
import { maxWatchers, maxWatchersPerClient, type Watch } from '../core/watch.ts'
import type { Watcher } from './watcher.ts'

/** Everybody who watches a domain. What happens is written down once, however many there are. */
export class Audience {
  readonly #all = new Set<Watcher>()
  /** By the file they watch; null for those who watch them all. */
  readonly #byFile = new Map<string | null, Set<Watcher>>()
  readonly #byClient = new Map<string, number>()

  get size(): number {
    return this.#all.size
  }

  /** Why there is no room for one more; null when there is. */
  refuses({ client }: Watch): 'domain' | 'client' | null {
    if (this.#all.size >= maxWatchers) return 'domain'
    return client !== null && (this.#byClient.get(client) ?? 0) >= maxWatchersPerClient ? 'client' : null
  }

  add(watcher: Watcher): void {
    const { fileId, client } = watcher.watch
    this.#all.add(watcher)
    const same = this.#byFile.get(fileId)
    if (same) same.add(watcher)
    else this.#byFile.set(fileId, new Set([watcher]))
    if (client !== null) this.#byClient.set(client, (this.#byClient.get(client) ?? 0) + 1)
  }

  remove(watcher: Watcher): void {
    if (!this.#all.delete(watcher)) return
    const { fileId, client } = watcher.watch
    const same = this.#byFile.get(fileId)
    same?.delete(watcher)
    if (same?.size === 0) this.#byFile.delete(fileId)
    if (client === null) return
    const left = (this.#byClient.get(client) ?? 0) - 1
    if (left > 0) this.#byClient.set(client, left)
    else this.#byClient.delete(client)
  }

  /** Tells what has happened, in this order. Whoever watches a file that has come to its end is let go. */
  tell(events: readonly FileEvent[], domainId: string): void {
    const lastOfFile = new Map<string, FileEvent>()
    for (const event of events) {
      lastOfFile.set(event.fileId, event)
      const bytes = encodeEvent(event, domainId)
      for (const watcher of this.#whoWatch(event.fileId)) this.#tellOne(watcher, event, bytes)
    }
    for (const [fileId, { status }] of lastOfFile) {
      if (isTerminal(status)) for (const watcher of [...(this.#byFile.get(fileId) ?? [])]) this.#letGo(watcher)
    }
  }

  /** Tells how far a file is, to those who have nothing else to read: the next event says more. */
  tellProgress(progress: Progress): void {
    const bytes = encodeProgress(progress)
    for (const watcher of this.#whoWatch(progress.fileId)) {
      const { statuses, changeAfter } = watcher.watch
      if (statuses === null && changeAfter === null && watcher.isIdle) watcher.send(bytes)
    }
  }

  /** Shows everybody that the stream is alive, and lets those go whose time is over. */
  beat(now: number): void {
    for (const watcher of [...this.#all]) {
      if (watcher.endsAt <= now) this.#letGo(watcher)
      else if (watcher.watch.changeAfter === null && !watcher.send(heartbeat)) this.#letGo(watcher)
    }
  }

  #tellOne(watcher: Watcher, event: FileEvent, bytes: Uint8Array): void {
    const { statuses, changeAfter } = watcher.watch
    if (changeAfter !== null) {
      if (event.number > changeAfter) this.#letGo(watcher)
    } else if (statuses === null || statuses.includes(event.status)) {
      if (!watcher.send(bytes)) this.#letGo(watcher)
    }
  }

  #letGo(watcher: Watcher): void {
    this.remove(watcher)
    watcher.end()
  }

  #whoWatch(fileId: string): Watcher[] {
    return [...(this.#byFile.get(fileId) ?? []), ...(this.#byFile.get(null) ?? [])]
  }
}
