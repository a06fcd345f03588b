/** What was looked up lately. An entry is good for `ttlMs`; the oldest make room beyond `maxEntries`. */
export class TimedCache<Value> {
  readonly #entries = new Map<string, { value: Value; until: number }>()
  readonly #ttlMs: number
  readonly #maxEntries: number

  constructor(ttlMs: number, maxEntries = 10_000) {
    this.#ttlMs = ttlMs
    this.#maxEntries = maxEntries
  }

  get(key: string, now: number): Value | undefined {
    const entry = this.#entries.get(key)
    return entry && entry.until > now ? entry.value : undefined
  }

  set(key: string, value: Value, now: number): void {
    this.#entries.delete(key)
    this.#entries.set(key, { value, until: now + this.#ttlMs })
    if (this.#entries.size > this.#maxEntries) this.#entries.delete(this.#entries.keys().next().value as string)
  }

  /** Forgets what is known to have changed. */
  forget(hasChanged: (value: Value) => boolean): void {
    for (const [key, { value }] of this.#entries) if (hasChanged(value)) this.#entries.delete(key)
  }
}
