import { AsyncLocalStorage } from 'node:async_hooks'
import { type Journal, type Meter, unmeasured, type Work } from './core/ports.ts'
import { joinTrace, nextSpan, noTrace, type Span, traceHeadersOf } from './core/trace-context.ts'
import type { CalledPart, CallTally, WorkKind, WorkNotes, WorkRecord } from './core/work-record.ts'

/**
 * The piece of work that the code which runs now belongs to. Adapters are shared by everything in an isolate, so what
 * they cost can't be known to them by an argument without one in each call to each of them.
 */
const running = new AsyncLocalStorage<OpenWork>()

/** The platform ends what goes on 30 seconds after an answer (`waitUntil`), and the line has to be written before. */
const longestAfterAnswerMs = 20_000

class OpenWork implements Work {
  readonly requestId: string | null
  readonly #kind: WorkKind
  /** The platform's clock, which moves only while something is waited for: what is measured here is waiting. */
  readonly #startedAt = Date.now()
  readonly #notes: WorkNotes = {}
  readonly #calls: Record<CalledPart, CallTally> = { r2: none(), d1: none(), queue: none(), post: none() }
  readonly #outliving: Promise<unknown>[] = []
  span: Span

  constructor(kind: WorkKind, requestId: string | null, before: Span | null) {
    this.#kind = kind
    this.requestId = requestId
    this.span = nextSpan(before)
  }

  note(notes: WorkNotes): void {
    Object.assign(this.#notes, notes)
  }

  begin(part: CalledPart): (failed?: 'failed') => void {
    const tally = this.#calls[part]
    const startedAt = Date.now()
    return (failed) => {
      tally.count++
      tally.ms += Date.now() - startedAt
      if (failed) tally.failures++
    }
  }

  outlive(promise: Promise<unknown>): void {
    this.#outliving.push(promise)
  }

  end(waitUntil: (promise: Promise<unknown>) => void, conclude: (record: WorkRecord) => void): void {
    const { durationMs } = this.record()
    // The client's wait is over; what comes after counts as calls, and not as time that the work took.
    const write = () => conclude({ ...this.record(), durationMs })
    if (this.#outliving.length === 0) write()
    else waitUntil(this.#over().then(write))
  }

  async #over(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, longestAfterAnswerMs)
    })
    await Promise.race([this.#settled(), late])
    clearTimeout(timer)
  }

  /** Until nothing is left of what has been begun, what that has begun included. */
  async #settled(): Promise<void> {
    for (let seen = -1; seen < this.#outliving.length; ) {
      seen = this.#outliving.length
      await Promise.allSettled(this.#outliving)
    }
  }

  record(): WorkRecord {
    return {
      work: this.#kind,
      requestId: this.requestId,
      span: this.span,
      durationMs: Date.now() - this.#startedAt,
      calls: this.#calls,
      notes: this.#notes,
    }
  }
}

function none(): CallTally {
  return { count: 0, failures: 0, ms: 0 }
}

/** What runs in this isolate, each with its own record. It holds nothing between two pieces of work. */
export const journal: Journal = {
  run(kind, { requestId = null, before = null }, work) {
    const opened = new OpenWork(kind, requestId, before)
    return running.run(opened, () => work(opened))
  },
  note: (notes) => running.getStore()?.note(notes),
  join(trace) {
    const work = running.getStore()
    if (work) work.span = joinTrace(work.span, trace)
  },
  outlive: (promise) => running.getStore()?.outlive(promise),
  trace() {
    const work = running.getStore()
    return work ? traceHeadersOf(work.span) : noTrace
  },
  caller: () => ({ requestId: running.getStore()?.requestId ?? null, trace: journal.trace() }),
}

/** Times calls for the piece of work that they are made in. */
export const meter: Meter = (part) => running.getStore()?.begin(part) ?? unmeasured(part)

/** What every line of the log says of the work that it was written in. */
export function workIds(): Record<string, unknown> {
  const work = running.getStore()
  if (!work) return {}
  const { traceId, spanId, parentSpanId } = work.span
  return {
    ...(work.requestId === null ? {} : { requestId: work.requestId }),
    traceId,
    spanId,
    ...(parentSpanId === null ? {} : { parentSpanId }),
  }
}
