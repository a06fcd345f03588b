import { randomFrom } from '../bodies.ts'

/** What a torture leaves to chance, from one seed. Clients share it, so that a run is alike, and not the same, again. */
export class Chance {
  readonly #random: () => number

  constructor(seed: number) {
    this.#random = randomFrom(seed)
  }

  /** A whole number from 0 to below the limit. */
  below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  /** Whether something happens that has this probability. */
  happens(probability: number): boolean {
    return this.#random() < probability
  }
}
