import { DurableObject } from 'cloudflare:workers'
import { domainNotFound } from '../core/domain.ts'
import type { LogLevel } from '../core/log-line.ts'
import type { Journal, Report, Watchers } from '../core/ports.ts'
import { parseTraceHeaders } from '../core/trace-context.ts'
import type { Protocol } from '../core/uploaded-file.ts'
import { type Caller, lineFields } from '../core/work-record.ts'
import { RequestBody } from '../ingest/request-body.ts'
import { uploadNotFound } from '../services/find-upload.ts'
import type { Place } from '../services/place.ts'
import type { IntakeParts } from '../services/receive/reception.ts'
import type { JoinParts } from './join-partials.ts'
import { Ledger } from './ledger.ts'
import { appendHeader, type Outcome, type SentAppend, toOutcome } from './outcome.ts'
import type { EndedStage, Opening, SessionView } from './session.ts'
import { Turns } from './turns.ts'
import { Upload } from './upload.ts'

/** What a session works with. */
export interface SessionParts extends Omit<IntakeParts, 'db' | 'storage' | 'journal'> {
  journal: Journal
  report: Report
  watchers: Pick<Watchers, 'progress'>
  sessions: JoinParts['sessions']
  /** Where the domain with this id has its data; null when there is none. */
  placeOf(domainId: string): Promise<Place | null>
}

/** How soon an alarm rings again that could not be dealt with. */
const alarmAgainMs = 5 * 60_000

/** Which upload a call is about, where there is one, and who calls. */
interface CallFacts {
  opening: Opening | undefined
  caller: Caller
}

/**
 * The Durable Object of one resumable upload, whatever protocol it comes by. All that it knows is on disk; it may be
 * evicted, or started again, at any line. `build` makes what it works with from its environment.
 */
export function uploadSessionClass(
  build: (env: Cloudflare.Env, context: { waitUntil(promise: Promise<unknown>): void }) => SessionParts,
) {
  return class UploadSession extends DurableObject<Cloudflare.Env> {
    readonly #ledger = new Ledger(this.ctx.storage)
    readonly #turns = new Turns()
    readonly #parts = build(this.env, this.ctx)
    #upload: Upload | null = null

    /** Begins the upload. */
    async open(opening: Opening, caller: Caller): Promise<Outcome<SessionView>> {
      return this.#answer('open', { opening, caller }, () =>
        this.#turns.take(async (fence) => {
          const place = await this.#parts.placeOf(opening.domainId)
          if (!place) throw domainNotFound(opening.domainId)
          return this.#uploadIn(place).open(opening, fence)
        }),
      )
    }

    /** Where the upload stands at this moment; nothing is disturbed by it. */
    async view(domainId: string): Promise<SessionView | null> {
      const upload = await this.#find(domainId)
      // It may have ended while its place was looked up.
      return upload && this.#ledger.exists ? upload.view() : null
    }

    /** Where the upload stands, after what runs has been fenced, and what it brought is kept. */
    async settle(domainId: string, protocol: Protocol, caller: Caller): Promise<Outcome<SessionView | null>> {
      return this.#answer('settle', { opening: this.#opening, caller }, async () => {
        this.#requireProtocol(domainId, protocol)
        return this.#turns.take(async (fence) => (await this.#find(domainId))?.settle(fence) ?? null)
      })
    }

    /** Lets the upload live until this time at least, since another is joined of it. Returns whether it is there. */
    async keepUntil(domainId: string, time: number, caller: Caller): Promise<Outcome<boolean>> {
      return this.#answer('keep', { opening: this.#opening, caller }, async () =>
        this.#turns.take(async () => (await this.#find(domainId))?.keepUntil(time) ?? false),
      )
    }

    /** Gives the upload up, whatever protocol it comes by unless one is named. Returns what there was. */
    async end(domainId: string, protocol: Protocol | null, caller: Caller): Promise<Outcome<EndedStage | null>> {
      return this.#answer('end', { opening: this.#opening, caller }, async () => {
        if (protocol !== null) this.#requireProtocol(domainId, protocol)
        return this.#turns.take(async () => (await this.#find(domainId))?.end() ?? null)
      })
    }

    /** Takes one append: the request's body, with a `SentAppend` in a header. The answer is the outcome as JSON. */
    override async fetch(request: Request): Promise<Response> {
      const { append, caller } = JSON.parse(request.headers.get(appendHeader) ?? '') as SentAppend
      const body = new RequestBody(request.body, append.declaredBytes?.toString())
      const { domainId, protocol } = append
      const outcome = await this.#answer('append', { opening: this.#opening, caller }, async () => {
        this.#requireProtocol(domainId, protocol)
        return this.#turns.take(async (fence) => (await this.#find(domainId))?.append(body, append, fence) ?? null)
      })
      // An object that answers without having read the body resets the connection of the client.
      await body.drain(this.#parts.pool)
      return Response.json(outcome)
    }

    override async alarm(): Promise<void> {
      if (!this.#ledger.exists) return
      // The platform gives an alarm up that fails for some minutes. What follows sets the one that is due, if it comes to it.
      await this.ctx.storage.setAlarm(Date.now() + alarmAgainMs)
      const { opening } = this.#ledger
      const caller = { requestId: null, trace: opening.trace }
      await this.#observed('alarm', { opening, caller }, () =>
        this.#turns.take(async (fence) => (await this.#find(opening.domainId))?.wake(fence)),
      )
    }

    /** Undefined where there is no upload: it has ended, or there never was one. */
    get #opening(): Opening | undefined {
      return this.#ledger.exists ? this.#ledger.opening : undefined
    }

    /** The upload, if there is one, and of this domain. */
    async #find(domainId: string): Promise<Upload | null> {
      if (!this.#ledger.exists || this.#ledger.opening.domainId !== domainId) return null
      const place = await this.#parts.placeOf(domainId)
      if (place) return this.#uploadIn(place)
      // The domain is gone, with every row and object of it.
      await this.#ledger.clear()
      return null
    }

    /** An upload is there by its own protocol alone. Who comes by another disturbs nothing of it, and is told nothing. */
    #requireProtocol(domainId: string, protocol: Protocol): void {
      if (!this.#ledger.exists) return
      const { opening } = this.#ledger
      if (opening.domainId === domainId && opening.protocol !== protocol) throw uploadNotFound()
    }

    #uploadIn(place: Place): Upload {
      const { now } = this.#parts
      this.#upload ??= new Upload({
        ...this.#parts,
        ...place,
        ledger: this.#ledger,
        // The alarm goes by the platform's own clock.
        wakeAt: (time) => this.ctx.storage.setAlarm(Date.now() + time - now()),
      })
      return this.#upload
    }

    /** Gives an outcome, and writes down why it is one that the client can't be told. */
    async #answer<Value>(call: string, about: CallFacts, work: () => Promise<Value>): Promise<Outcome<Value>> {
      const { journal, log } = this.#parts
      return this.#observed(call, about, async () => {
        const outcome = await toOutcome(work, (error) =>
          log('error', 'session-failed', { uploadId: about.opening?.id, error }),
        )
        if ('refusal' in outcome) {
          const { code } = outcome.refusal
          journal.note({ outcome: code === 'unavailable' ? 'failed' : 'refused', code })
        }
        return outcome
      })
    }

    /** Runs a call as a piece of work of its own, which leaves one line in the log: in the trace that it was called in. */
    #observed<Value>(call: string, { opening, caller }: CallFacts, work: () => Promise<Value>): Promise<Value> {
      const { journal, log, report } = this.#parts
      const { requestId, trace } = caller
      return journal.run('session', { requestId, before: parseTraceHeaders(trace) }, async (observed) => {
        observed.note({
          kind: call,
          outcome: 'ok',
          ...(opening ? { uploadId: opening.id, domainId: opening.domainId } : {}),
        })
        const conclude = (level: LogLevel, failure: { error?: unknown }) =>
          observed.end(
            (promise) => this.ctx.waitUntil(promise),
            (record) => {
              log(level, 'session-done', { ...lineFields(record), ...failure })
              report(record)
            },
          )
        try {
          const value = await work()
          conclude('info', {})
          return value
        } catch (error) {
          observed.note({ outcome: 'failed' })
          conclude('error', { error })
          throw error
        }
      })
    }
  }
}
