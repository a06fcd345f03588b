import { addTally, countWork, type Tally } from '../core/figures.ts'
import type { Log } from '../core/ports.ts'
import type { WorkRecord } from '../core/work-record.ts'
import type { TotalsObject } from './totals-object.ts'

export interface IsolateFiguresParts {
  /** Null: nothing is gathered. */
  objects: DurableObjectNamespace<TotalsObject> | null
  /** For how long an isolate keeps to itself what it has counted. */
  gatherMs: number
  log: Log
}

/** A flush that was to come and has not by this much later never will: its request was ended. */
const lateMs = 30_000

/** What one isolate has counted and not yet told: it is sent on every few seconds, behind the answer of some request. */
export class IsolateFigures {
  readonly #parts: IsolateFiguresParts
  #tally: Tally = new Map()
  /** When the next flush was promised; null: it was not. */
  #promisedAt: number | null = null

  constructor(parts: IsolateFiguresParts) {
    this.#parts = parts
  }

  /**
   * Counts a piece of work, and sees to it that it is told. `outlive` lets a promise outlive the answer. A batch of jobs
   * and a sweep end only with all that outlives them, and would wait: whoever runs those flushes at their end.
   */
  count(record: WorkRecord, outlive: (promise: Promise<unknown>) => void): void {
    const { objects, gatherMs } = this.#parts
    if (!objects) return
    countWork(this.#tally, record)
    if (record.work === 'job' || record.work === 'sweep') return
    const now = Date.now()
    if (this.#promisedAt !== null && now < this.#promisedAt + gatherMs + lateMs) return
    this.#promisedAt = now
    outlive(gatherMs === 0 ? this.flush() : sleep(gatherMs).then(() => this.flush()))
  }

  /** Tells what has been counted. Never throws: what could not be told is told the next time. */
  async flush(): Promise<void> {
    const { objects, log } = this.#parts
    const told = this.#tally
    this.#tally = new Map()
    this.#promisedAt = null
    if (!objects || told.size === 0) return
    try {
      await totalsIn(objects).add(told)
    } catch (error) {
      addTally(this.#tally, told)
      log('warn', 'figures-not-told', { error })
    }
  }

  /** What all isolates have told, this one's latest included; null where nothing is gathered. Throws when it can't be had. */
  async read(): Promise<Tally | null> {
    const { objects } = this.#parts
    if (!objects) return null
    await this.flush()
    return totalsIn(objects).read()
  }
}

/** One object for all: it gets a call every few seconds from each isolate, and not from each request. */
function totalsIn(objects: DurableObjectNamespace<TotalsObject>): DurableObjectStub<TotalsObject> {
  return objects.getByName('totals')
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
