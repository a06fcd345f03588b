import { Buffer } from 'node:buffer'
import { Api } from '../../qstash/api.ts'
import { DeliverySchedule } from '../../qstash/delivery.ts'
import { type DeliveryFetch, sendAttempt } from '../../qstash/send-attempt.ts'
import { devCredentials } from '../../qstash/sign-delivery.ts'
import type { FetchedService } from '../watched-fetch.ts'
import { HeldTimeline } from './held-timeline.ts'
import type { Entrances, StageQueue } from './stage-queue.ts'

const { token, currentSigningKey, nextSigningKey } = devCredentials
const url = 'http://qstash.test'

/**
 * The server that speaks QStash's protocol, between the official client in the Worker and the Worker's own callbacks. It
 * signs, retries, deduplicates and gives up as QStash does, on the clock of the test.
 */
export class QStashStageQueue implements StageQueue {
  readonly service = 'QStash'
  readonly vars = {
    QSTASH_TOKEN: token,
    QSTASH_URL: url,
    QSTASH_CURRENT_SIGNING_KEY: currentSigningKey,
    QSTASH_NEXT_SIGNING_KEY: nextSigningKey,
    CALLBACK_URL: 'http://hooks.stevedore.test',
  }
  readonly deliveriesUntilDead = 4
  readonly fetched: FetchedService = {
    url,
    nameOf: (path) => `QStash ${path.split('/')[2]}`,
    fetch: async (path, { method, headers, body }) => {
      const { status, ...reply } = this.#api.answer({
        method,
        target: path,
        headers: new Map(headers),
        body: Buffer.from(body),
        callerIp: '127.0.0.1',
      })
      return new Response(reply.body, { status, headers: reply.headers })
    },
  }
  #entrances!: Entrances
  #timeline!: HeldTimeline
  #schedule!: DeliverySchedule
  #api!: Api
  #attempts: Promise<unknown>[] = []

  bindings(): Record<string, unknown> {
    return {}
  }

  async open(entrances: Entrances): Promise<void> {
    this.#entrances = entrances
    this.#begin()
  }

  async elapse(): Promise<void> {}

  async lose(): Promise<void> {
    this.#begin()
  }

  async isEmpty(): Promise<boolean> {
    return this.#schedule.waiting === 0
  }

  async deliver(): Promise<void> {
    while (this.#timeline.runDue() > 0) {
      await Promise.all(this.#attempts.splice(0))
      // The schedule hears of the answers after this does.
      await new Promise((resolve) => setTimeout(resolve, 0))
    }
  }

  #begin(): void {
    const timeline = new HeldTimeline(this.#entrances.now)
    const toWorker: DeliveryFetch = async (to, { signal: _, ...init }) => {
      const response = await this.#entrances.fetch(new Request(to, init))
      if (!response) throw new Error('The connection was closed without an answer.')
      return response
    }
    // One after the other: the calls of a life have their numbers by their order.
    let before: Promise<unknown> = Promise.resolve()
    const schedule = new DeliverySchedule(
      (message, retried) => {
        const options = { fetch: toWorker, key: currentSigningKey, closing: new AbortController().signal }
        const attempt = before.then(() => sendAttempt(message, retried, options))
        before = attempt
        this.#attempts.push(attempt)
        return attempt
      },
      timeline,
      1,
      () => {},
    )
    this.#timeline = timeline
    this.#schedule = schedule
    this.#api = new Api(schedule, {
      now: timeline.now,
      token,
      signingKeys: { current: currentSigningKey, next: nextSigningKey },
      deduplicationWindowMs: 600_000,
      maxMessageBytes: 1_000_000,
    })
  }
}
