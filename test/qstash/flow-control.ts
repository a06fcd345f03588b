import type { FlowControl } from './message.ts'

type Usage = { active: number; periodStart: number; startedInPeriod: number }

/** What a message may do now: start, wait for another delivery of its key to end, or wait for a time. */
export type Admission = { start: true } | { start: false; retryAt: number | undefined }

/** Counts the deliveries of each flow-control key. Limits are those of the message that asks, as in QStash. */
export class FlowControlCounter {
  readonly #usages = new Map<string, Usage>()

  /** Counts a delivery as started if its key's limits allow it at `now`; `timeScale` shortens the period. */
  admit(flowControl: FlowControl | undefined, now: number, timeScale: number): Admission {
    if (!flowControl) return { start: true }
    const usage = this.#usages.get(flowControl.key) ?? { active: 0, periodStart: now, startedInPeriod: 0 }
    this.#usages.set(flowControl.key, usage)
    const periodEnd = usage.periodStart + flowControl.periodMs * timeScale
    if (now >= periodEnd) {
      usage.periodStart = now
      usage.startedInPeriod = 0
    }
    if (flowControl.parallelism && usage.active >= flowControl.parallelism) return { start: false, retryAt: undefined }
    if (flowControl.rate && usage.startedInPeriod >= flowControl.rate) return { start: false, retryAt: periodEnd }
    usage.active++
    usage.startedInPeriod++
    return { start: true }
  }

  /** Counts an admitted delivery as ended. */
  release(flowControl: FlowControl | undefined): void {
    const usage = flowControl && this.#usages.get(flowControl.key)
    if (usage) usage.active--
  }
}
