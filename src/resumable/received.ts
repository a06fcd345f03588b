import type { Clock, Watchers } from '../core/ports.ts'
import type { Ledger } from './ledger.ts'

/** Those who watch are told at most this often how much has arrived. */
const progressIntervalMs = 500

/** How much of an upload has been received while an append runs, kept or not; those who watch are told. */
export class Received {
  readonly #parts: { now: Clock; watchers: Pick<Watchers, 'progress'> }
  #bytes = 0
  #toldAt = 0

  constructor(parts: { now: Clock; watchers: Pick<Watchers, 'progress'> }) {
    this.#parts = parts
  }

  /** Up to where in the file; 0 where no append runs. */
  get bytes(): number {
    return this.#bytes
  }

  note({ opening, progress }: Pick<Ledger, 'opening' | 'progress'>, bytes: number): void {
    this.#bytes = bytes
    // A piece of a file is no file to those who watch.
    if (opening.role.kind === 'partial') return
    const { now, watchers } = this.#parts
    if (now() - this.#toldAt < progressIntervalMs) return
    this.#toldAt = now()
    const { length } = progress
    watchers.progress(opening.domainId, {
      fileId: opening.id,
      receivedBytes: bytes,
      progress: length ? bytes / length : null,
    })
  }

  /** The append has ended. */
  end(): void {
    this.#bytes = 0
  }
}
