/**
 * What can become of one call to the outside. `before` and `after` say whether the call has had its effect.
 *
 * - error: the call fails; the invocation goes on with that.
 * - crash: the invocation ends there; nothing after it runs.
 * - hang: the call never settles; the invocation is ended once everything else in it has come to rest. A call with a
 *   timeout is given up by it then, and the invocation goes on.
 * - stall: the call waits until others have long taken over, then has its effect, and the invocation goes on. A call with
 *   a timeout has long been given up by then, and has its effect all the same.
 * - late: the call fails at once, and has its effect all the same, long after that.
 * - outage: the call fails, and every later one of the invocation to the same service fails without effect. A service
 *   that is reached by fetch answers 503.
 */
export const faultKinds = [
  'error before',
  'error after',
  'crash before',
  'crash after',
  'hang before',
  'hang after',
  'stall',
  'late',
  'outage before',
  'outage after',
] as const
export type FaultKind = (typeof faultKinds)[number]

/** Numbers the outside calls of one life over all its invocations, and says which of them fails how. */
export class FaultPlan {
  /** The name of each call, in the order they were made, up to the fault and beyond it. */
  readonly names: string[] = []
  /** The call at which the fault happened. */
  struck: string | null = null
  readonly #faultAt: (index: number, name: string) => FaultKind | null

  constructor(faultAt: (index: number, name: string) => FaultKind | null = () => null) {
    this.#faultAt = faultAt
  }

  next(name: string): FaultKind | null {
    const kind = this.struck === null ? this.#faultAt(this.names.length, name) : null
    this.names.push(name)
    if (kind !== null) this.struck = name
    return kind
  }
}

/** Makes one outside call under a name, which begins with that of its service. `signal` is its timeout, if it has one. */
export type OutsideCall = <T>(name: string, effect: () => Promise<T>, signal?: AbortSignal) => Promise<T>

/** What a call throws whose service is out of order. */
export class Outage extends Error {}

/** After this long without a call an invocation that waits for a lost answer is at rest. */
const restMs = 15
/** What takes longer than this hangs without being meant to. */
const longestMs = 20_000

/** One run of the Worker's code: a request, a batch of jobs, or a sweep. It dies by itself, and takes nobody along. */
export class Invocation {
  readonly #plan: FaultPlan
  readonly #isBroken: (name: string) => boolean
  readonly #timeouts: AbortController[] = []
  #isDead = false
  /** The service that is out of order. */
  #down: string | null = null
  #isBlocked = false
  /** Whether it waits for nothing but a timeout. */
  #isTimed = false
  #running = 0
  #lastActivityAt = Date.now()
  #resume: (() => void) | null = null
  #late: (() => Promise<unknown>) | null = null
  #hasEnded = false

  /** `isBroken` says which calls fail besides, and are not counted. */
  constructor(plan: FaultPlan, isBroken: (name: string) => boolean = () => false) {
    this.#plan = plan
    this.#isBroken = isBroken
  }

  readonly call: OutsideCall = async (name, effect, signal) => {
    if (this.#isDead) return never()
    this.#lastActivityAt = Date.now()
    if (this.#isBroken(name) || this.#down === serviceOf(name)) throw new Outage(lost(name).message)
    switch (this.#plan.next(name)) {
      case null:
        return this.#carryOut(effect)
      case 'error before':
        throw lost(name)
      case 'error after':
        await this.#carryOut(effect)
        throw lost(name)
      case 'crash before':
        this.#isDead = true
        return never()
      case 'crash after':
        this.#isDead = true
        await this.#carryOut(effect)
        return never()
      case 'hang before':
        return this.#hang(signal)
      case 'hang after':
        this.#isBlocked = true
        await this.#carryOut(effect)
        return this.#hang(signal)
      case 'stall':
        if (signal) {
          this.#late = effect
          return this.#hang(signal)
        }
        await new Promise<void>((resolve) => {
          this.#resume = resolve
        })
        return this.#carryOut(effect)
      case 'late':
        this.#late = effect
        throw lost(name)
      case 'outage before':
        this.#down = serviceOf(name)
        throw new Outage(lost(name).message)
      case 'outage after':
        this.#down = serviceOf(name)
        await this.#carryOut(effect)
        throw new Outage(lost(name).message)
    }
  }

  /** A signal in the place of `AbortSignal.timeout`: its time has come when the invocation waits for nothing else. */
  timeout(): AbortSignal {
    const controller = new AbortController()
    this.#timeouts.push(controller)
    return controller.signal
  }

  get isStalled(): boolean {
    return this.#resume !== null
  }

  /** Whether something of it is still to come. */
  get isPending(): boolean {
    return this.isStalled || this.#late !== null
  }

  /** Waits until the work has ended, or until nothing of it moves any more; then it is dead, unless it only stalls. */
  async rest(work: Promise<unknown>): Promise<void> {
    const watched = work.then(() => {
      this.#hasEnded = true
    })
    const until = Date.now() + longestMs
    while (!this.#hasEnded) {
      if (Date.now() > until) throw new Error('The invocation does not come to rest.')
      await Promise.race([watched, sleep(2)])
      const isStuck = this.#isDead || this.#isBlocked || this.isStalled
      if (!isStuck || this.#running > 0 || Date.now() - this.#lastActivityAt <= restMs) continue
      if (!this.#isTimed || this.#isDead) break
      this.#endTimeouts()
    }
    if (!this.#hasEnded && !this.isStalled) this.#isDead = true
  }

  /** Lets a stalled call go on, or a late one have its effect. */
  async resume(): Promise<void> {
    this.#lastActivityAt = Date.now()
    this.#resume?.()
    this.#resume = null
    // What it came too late for refuses it, and nobody hears of it.
    await this.#late?.().catch(() => {})
    this.#late = null
  }

  #hang(signal?: AbortSignal): Promise<never> {
    this.#isBlocked = true
    if (!signal) return never()
    this.#isTimed = true
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  }

  #endTimeouts(): void {
    this.#isBlocked = false
    this.#isTimed = false
    this.#lastActivityAt = Date.now()
    for (const controller of this.#timeouts.splice(0)) {
      controller.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError'))
    }
  }

  async #carryOut<T>(effect: () => Promise<T>): Promise<T> {
    this.#running++
    try {
      return await effect()
    } finally {
      this.#running--
      this.#lastActivityAt = Date.now()
      // The answer to a call that was under way when its invocation died reaches nobody.
      if (this.#isDead) await never()
    }
  }
}

/** `D1`, `R2`, `queue`, `QStash` or `Redis`. */
function serviceOf(name: string): string {
  return name.slice(0, name.indexOf(' '))
}

function lost(name: string): Error {
  return new Error(`Network connection lost (${name}).`)
}

function never(): Promise<never> {
  return new Promise(() => {})
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
