import { DurableObject } from 'cloudflare:workers'
import { addTally, type Tally } from '../core/figures.ts'

/** For how long what was added may be in memory alone. */
const writeAfterMs = 10_000

/**
 * What all isolates of the deployment have counted, in one place. It is written to disk before anybody is shown it: what
 * is lost when the object dies was never seen, and so no counter ever goes back.
 */
export class TotalsObject extends DurableObject {
  #totals: Tally | undefined
  #isWritten = true

  /** Adds what an isolate has counted since it last told. */
  async add(more: Tally): Promise<void> {
    addTally(await this.#load(), more)
    this.#isWritten = false
    if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(Date.now() + writeAfterMs)
  }

  /** All that was counted since the deployment began. */
  async read(): Promise<Tally> {
    const totals = await this.#load()
    await this.#write(totals)
    return totals
  }

  override async alarm(): Promise<void> {
    await this.#write(await this.#load())
  }

  async #load(): Promise<Tally> {
    if (this.#totals) return this.#totals
    const stored = await this.ctx.storage.get<Tally>('totals')
    // Whoever came first while it was read has it: two must not count each for himself.
    this.#totals ??= stored ?? new Map()
    return this.#totals
  }

  async #write(totals: Tally): Promise<void> {
    if (this.#isWritten) return
    this.#isWritten = true
    await this.ctx.storage.put('totals', totals)
  }
}
