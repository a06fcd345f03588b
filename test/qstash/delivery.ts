import { FlowControlCounter } from './flow-control.ts'
import { type Callback, type Message, type MessageKind, parsePublish } from './message.ts'
import { type Answer, callbackBody, type DeadLetter, type EventState, type MessageEvent } from './message-views.ts'
import { defaultRetryDelayMs, evaluateRetryDelayMs, requestedRetryDelayMs } from './retry-delay.ts'
import type { Timeline } from './timeline.ts'

/** Sends one signed attempt and gives its answer; never rejects. */
export type SendAttempt = (message: Message, retried: number) => Promise<Answer>

/** One attempt that has ended. */
export type Delivery = {
  messageId: string
  kind: MessageKind
  /** The message that a callback reports on. */
  sourceMessageId: string | undefined
  url: string
  body: string
  retried: number
  /** 0 when the destination gave no answer; `error` then says why. */
  status: number
  error: string | undefined
  /** Made by `deliverAgain`, not by the message's own schedule. */
  duplicate: boolean
  startedAt: number
  endedAt: number
}

type Track = { message: Message; retried: number }

/** Schedules, delivers, retries and buries messages, as QStash does between a publish and its outcome. */
export class DeliverySchedule {
  readonly deliveries: Delivery[] = []
  readonly deadLetters: DeadLetter[] = []
  readonly events: MessageEvent[] = []
  readonly #tracks = new Map<string, Track>()
  readonly #undone = new Set<Track>()
  readonly #flowControl = new FlowControlCounter()
  readonly #send: SendAttempt
  readonly #timeline: Timeline
  readonly #timeScale: number
  readonly #onChange: () => void
  /** Those that share a key and its limits wait in one line: when its first may not start, no other may. */
  readonly #due = new Map<string, Track[]>()
  #nextWake = Number.POSITIVE_INFINITY
  #duplicatesInFlight = 0
  #paused = false
  #closed = false

  /** `timeScale` multiplies every delay; `onChange` runs whenever a message, an attempt or an outcome is added. */
  constructor(send: SendAttempt, timeline: Timeline, timeScale: number, onChange: () => void) {
    this.#send = send
    this.#timeline = timeline
    this.#timeScale = timeScale
    this.#onChange = onChange
  }

  /** How many messages have had no outcome yet: are scheduled, waiting or in flight, repeated deliveries included. */
  get waiting(): number {
    return this.#duplicatesInFlight + this.#undone.size
  }

  /** Accepts a message for delivery at its `notBefore`. */
  add(message: Message): void {
    const track = { message, retried: 0 }
    this.#tracks.set(message.messageId, track)
    this.#undone.add(track)
    this.#record('CREATED', message, { nextDeliveryTime: message.notBefore })
    this.#schedule(track, message.notBefore - this.#timeline.now())
    this.#onChange()
  }

  /** The message while it is undelivered; QStash forgets a message with its outcome. */
  pending(messageId: string): Message | undefined {
    const track = this.#tracks.get(messageId)
    return track && this.#undone.has(track) ? track.message : undefined
  }

  /** Delivers a message once more, at once and whatever became of it, as at-least-once delivery may. */
  async deliverAgain(messageId: string): Promise<Delivery> {
    const track = this.#tracks.get(messageId)
    if (!track) throw new Error(`no message ${messageId} was published`)
    this.#duplicatesInFlight++
    try {
      return (await this.#attempt(track, true)).delivery
    } finally {
      this.#duplicatesInFlight--
      this.#onChange()
    }
  }

  /** Holds back what becomes due; attempts in flight go on. */
  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#startDue()
  }

  close(): void {
    this.#closed = true
    this.#timeline.stop()
  }

  #schedule(track: Track, delayMs: number): void {
    this.#timeline.after(delayMs * this.#timeScale, () => {
      const limits = JSON.stringify(track.message.flowControl ?? null)
      const line = this.#due.get(limits) ?? []
      line.push(track)
      this.#due.set(limits, line)
      this.#startDue()
    })
  }

  #startDue(): void {
    if (this.#paused || this.#closed) return
    for (const [limits, waiting] of this.#due) {
      const starting: Track[] = []
      for (const track of waiting) {
        const admission = this.#flowControl.admit(track.message.flowControl, this.#timeline.now(), this.#timeScale)
        if (!admission.start) {
          if (admission.retryAt !== undefined) this.#wakeAt(admission.retryAt)
          break
        }
        starting.push(track)
      }
      waiting.splice(0, starting.length)
      if (waiting.length === 0) this.#due.delete(limits)
      for (const track of starting) void this.#deliver(track)
    }
  }

  /** One timer serves all that wait for a rate: a timer each would multiply at every period. */
  #wakeAt(time: number): void {
    if (time >= this.#nextWake) return
    this.#nextWake = time
    this.#timeline.after(time - this.#timeline.now(), () => {
      this.#nextWake = Number.POSITIVE_INFINITY
      this.#startDue()
    })
  }

  async #deliver(track: Track): Promise<void> {
    const { message } = track
    this.#record('ACTIVE', message)
    const { answer } = await this.#attempt(track, false)
    this.#flowControl.release(message.flowControl)
    if (this.#closed) return
    this.#settle(track, answer)
    this.#startDue()
    this.#onChange()
  }

  async #attempt(track: Track, duplicate: boolean): Promise<{ delivery: Delivery; answer: Answer }> {
    const { message, retried } = track
    const startedAt = this.#timeline.now()
    const answer = await this.#send(message, retried)
    const delivery: Delivery = {
      messageId: message.messageId,
      kind: message.kind,
      sourceMessageId: message.sourceMessageId,
      url: message.url,
      body: message.body.toString('utf8'),
      retried,
      status: answer.status,
      error: answer.error,
      duplicate,
      startedAt,
      endedAt: this.#timeline.now(),
    }
    this.deliveries.push(delivery)
    return { delivery, answer }
  }

  #settle(track: Track, answer: Answer): void {
    const { message, retried } = track
    if (answer.status >= 200 && answer.status < 300) {
      this.#undone.delete(track)
      this.#record('DELIVERED', message)
      this.#call(message.callback, 'callback', message, callbackBody(message, retried, answer))
      return
    }
    this.#record('ERROR', message, { answer })
    this.#call(message.callback, 'callback', message, callbackBody(message, retried, answer))
    if (retried < message.maxRetries && !isNonRetryable(answer)) {
      const delayMs = retryDelayMs(message, retried, answer, this.#timeline.now())
      track.retried++
      this.#record('RETRY', message, { nextDeliveryTime: this.#timeline.now() + delayMs })
      this.#schedule(track, delayMs)
      return
    }
    this.#undone.delete(track)
    this.#bury(message, retried, answer)
  }

  #bury(message: Message, retried: number, answer: Answer): void {
    const dlqId = `${this.#timeline.now()}-${this.deadLetters.length}`
    this.deadLetters.push({ dlqId, message, retried, answer })
    this.#record('FAILED', message, { answer })
    this.#call(message.failureCallback, 'failure-callback', message, callbackBody(message, retried, answer, dlqId))
  }

  /** Publishes a callback as a message of its own, with the source message's retries unless it has its own. */
  #call(callback: Callback | undefined, kind: MessageKind, source: Message, body: Buffer): void {
    if (!callback) return
    const headers = new Map([
      ['content-type', 'application/json'],
      ['upstash-retries', String(source.maxRetries)],
      ...callback.headers,
    ])
    const { callerIp, messageId: sourceMessageId } = source
    this.add(
      parsePublish({ destination: callback.url, headers, body, callerIp, kind, sourceMessageId }, this.#timeline.now()),
    )
  }

  #record(state: EventState, message: Message, more: Partial<MessageEvent> = {}): void {
    this.events.push({
      time: this.#timeline.now(),
      state,
      message,
      nextDeliveryTime: undefined,
      answer: undefined,
      ...more,
    })
  }
}

function isNonRetryable({ status, headers }: Answer): boolean {
  return status === 489 && headers.get('upstash-nonretryable-error') === 'true'
}

function retryDelayMs(message: Message, retried: number, answer: Answer, now: number): number {
  const requested = requestedRetryDelayMs(answer.headers, now)
  if (requested !== undefined) return requested
  const expression = message.retryDelayExpression
  return expression === undefined ? defaultRetryDelayMs(retried + 1) : evaluateRetryDelayMs(expression, retried)
}
