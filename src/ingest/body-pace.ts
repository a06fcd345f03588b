import { Refusal } from '../core/errors.ts'
import { minPartBytes } from '../core/part-size.ts'

/** A body that brings less than this in this time, while somebody reads it, is given up: it holds memory. */
const silenceMs = 60_000
const leastBytes = 1024
/** More often than the 10 s for which others wait for memory, so that they do not wait for nothing. */
export const lookMs = silenceMs / 8

/**
 * While others wait for the memory that a body holds, it has to come like this, the smallest part in a minute: at less,
 * eight clients could shut all others out of an isolate. What counts is the time in which it was waited for, once that
 * is most of two looks.
 */
const fairBytesPerMs = minPartBytes / 60_000
const looksAtPace = 2
const leastAwaitedMs = (looksAtPace * lookMs * 2) / 3

/** How much of a body had come at some time, and for how long it had been waited for by then. */
interface Look {
  bytes: number
  awaitedMs: number
}

/** How fast a body comes, in the time in which somebody waits for it. It is looked at every `lookMs`. */
export class BodyPace {
  /** Since when a read waits for the body, in milliseconds since 1970; null while none does. */
  #awaitedSince: number | null = null
  /** For how long the reads before have waited for it. */
  #awaitedMs = 0
  /** The last looks, the oldest first. */
  #looks: Look[] = [{ bytes: 0, awaitedMs: 0 }]

  /** A read begins. */
  begin(): void {
    this.#awaitedSince = Date.now()
  }

  /** The read has ended. */
  end(): void {
    if (this.#awaitedSince !== null) this.#awaitedMs += Date.now() - this.#awaitedSince
    this.#awaitedSince = null
  }

  /** Why a body is given up of which so many bytes have come by now; null when it is not. */
  judge(bytes: number, othersWait: () => boolean): Refusal | null {
    // Nobody has read on, since R2 is slow or others have their turn with the memory: the client is not to blame.
    if (this.#awaitedSince === null) this.#looks = []
    const awaitedMs = this.#awaitedMs + (this.#awaitedSince === null ? 0 : Date.now() - this.#awaitedSince)
    const now = { bytes, awaitedMs }
    if (this.#isSilent(now)) return silent()
    if (this.#isUnfair(now) && othersWait()) return unfair()
    this.#looks = [...this.#looks, now].slice(-silenceMs / lookMs)
    return null
  }

  #isSilent(now: Look): boolean {
    const [before] = this.#looks
    return before !== undefined && this.#looks.length * lookMs >= silenceMs && now.bytes - before.bytes < leastBytes
  }

  #isUnfair(now: Look): boolean {
    const before = this.#looks.at(-looksAtPace)
    if (!before) return false
    const awaitedMs = now.awaitedMs - before.awaitedMs
    return awaitedMs >= leastAwaitedMs && now.bytes - before.bytes < awaitedMs * fairBytesPerMs
  }
}

function silent(): Refusal {
  return new Refusal(
    'body-timeout',
    `Less than ${leastBytes} bytes of the body arrived in ${silenceMs / 1000} seconds. Send the request again.`,
  )
}

function unfair(): Refusal {
  return new Refusal(
    'body-timeout',
    `The body came at less than ${minPartBytes} bytes a minute while others waited for the memory that it held. Send it again later, on a faster connection, or in small pieces as a resumable upload.`,
    { retryAfterSeconds: 5 },
  )
}
