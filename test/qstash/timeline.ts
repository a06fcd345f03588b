/** A clock with timers: the one of the machine, or one that a test moves. */
export interface Timeline {
  /** Milliseconds since 1970. */
  now(): number
  /** Runs something after a delay, never at once. */
  after(delayMs: number, run: () => void): void
  /** Forgets everything that was still to run. */
  stop(): void
}

/** The longest delay that setTimeout takes; a longer one would fire at once. */
const maxTimerMs = 2 ** 31 - 1

/** Time as it passes. */
export class RealTime implements Timeline {
  readonly #timers = new Set<ReturnType<typeof setTimeout>>()

  now(): number {
    return Date.now()
  }

  after(delayMs: number, run: () => void): void {
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer)
        run()
      },
      Math.min(Math.max(0, delayMs), maxTimerMs),
    )
    this.#timers.add(timer)
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer)
  }
}
