/** Tells who works on a session that a newer request wants it. */
export class Fence {
  #isRaised = false
  #wake: (() => void) | null = null

  get isRaised(): boolean {
    return this.#isRaised
  }

  raise(): void {
    this.#isRaised = true
    this.#wake?.()
  }

  /** Waits for a promise, or for the fence, whichever comes first; null is the fence. The promise is not ended by it. */
  async orUntil<Value>(promise: Promise<Value>): Promise<Value | null> {
    // It may fail after nobody waits for it any more.
    promise.catch(() => {})
    if (this.#isRaised) return null
    // No `Promise.race`: a fence that lives as long as its upload would keep something of every read.
    try {
      return await new Promise<Value | null>((resolve, reject) => {
        this.#wake = () => resolve(null)
        promise.then(resolve, reject)
      })
    } finally {
      this.#wake = null
    }
  }
}

/**
 * Lets the requests for one upload work on it one after the other, in the order in which they came. Each one fences all
 * that came before it: what runs ends as soon as it can, keeping what it has, so that the newest request wins.
 */
export class Turns {
  #newest: Fence | null = null
  #last: Promise<void> = Promise.resolve()

  async take<Value>(work: (fence: Fence) => Promise<Value>): Promise<Value> {
    const fence = new Fence()
    this.#newest?.raise()
    this.#newest = fence
    const before = this.#last
    let end = () => {}
    this.#last = new Promise((resolve) => {
      end = resolve
    })
    await before
    try {
      return await work(fence)
    } finally {
      end()
    }
  }
}
