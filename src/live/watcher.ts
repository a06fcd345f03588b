import type { Watch } from '../core/watch.ts'

/** What may wait for a client that reads slowly. All who watch the same share these bytes until they are sent. */
export const maxQueuedBytes = 256 * 1024

/** One stream to a watcher, with a bounded queue. */
export class Watcher {
  readonly watch: Watch
  /** When it is ended at the latest, in milliseconds since 1970. */
  readonly endsAt: number
  readonly body: ReadableStream<Uint8Array>
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined

  /** `onGone` is called when the client leaves. */
  constructor(watch: Watch, endsAt: number, onGone: (watcher: Watcher) => void) {
    this.watch = watch
    this.endsAt = endsAt
    this.body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller
        },
        cancel: () => {
          this.#controller = undefined
          onGone(this)
        },
      },
      { highWaterMark: maxQueuedBytes, size: (chunk) => chunk?.byteLength ?? 0 },
    )
  }

  /** Whether it keeps up: nothing that was sent to it still waits. */
  get isIdle(): boolean {
    return this.#controller?.desiredSize === maxQueuedBytes
  }

  /** False: its queue is full, and it has to come back for the rest. */
  send(bytes: Uint8Array): boolean {
    const room = this.#controller?.desiredSize ?? 0
    if (room < bytes.byteLength) return false
    this.#controller?.enqueue(bytes)
    return true
  }

  /** Ends the stream as it should end; what waits in its queue still goes out. */
  end(): void {
    this.#controller?.close()
    this.#controller = undefined
  }
}
