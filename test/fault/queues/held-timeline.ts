import type { Timeline } from '../../qstash/timeline.ts'

/** Timers on a clock that a test moves: they run when the test lets them. */
export class HeldTimeline implements Timeline {
  readonly now: () => number
  #timers: { at: number; run: () => void }[] = []

  constructor(now: () => number) {
    this.now = now
  }

  after(delayMs: number, run: () => void): void {
    this.#timers.push({ at: this.now() + delayMs, run })
  }

  stop(): void {
    this.#timers = []
  }

  /** Runs what is due, in the order of its time, and returns how many there were. */
  runDue(): number {
    const now = this.now()
    const due = this.#timers.filter(({ at }) => at <= now).sort((a, b) => a.at - b.at)
    this.#timers = this.#timers.filter(({ at }) => at > now)
    for (const { run } of due) run()
    return due.length
  }
}
