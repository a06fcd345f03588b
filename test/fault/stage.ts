import { env as workerEnv } from 'cloudflare:workers'
import { TimedCache } from '../../src/core/timed-cache.ts'
import { buildDeps, type Deps } from '../../src/deps.ts'
import { BufferPool } from '../../src/ingest/buffer-pool.ts'
import { DomainDirectory } from '../../src/services/domain-directory.ts'
import { createWorker } from '../../src/worker.ts'
import { type Answer, adminToken, readAnswer, type TestDomain } from '../support/workers/client.ts'
import { FaultPlan, Invocation, type OutsideCall } from './outside-calls.ts'
import type { Entrances, StageQueue } from './queues/stage-queue.ts'
import type { StageReceiver } from './receiver.ts'
import { deletedObjects, isUnsettled, type Row } from './state.ts'
import { MultipartLedger, watchBucket, watchD1 } from './watched-bindings.ts'
import { within } from './watched-fetch.ts'

const minute = 60_000
const hour = 60 * minute

/** Enough for the two parts that the largest file here has at once. */
const poolBytes = 32 * 1024 * 1024

type Build = (context: { waitUntil(promise: Promise<unknown>): void }) => Deps

/** What each environment object given to the Worker is to be built into. */
const builds = new WeakMap<object, Build>()
const worker = createWorker((env, context) => builds.get(env as object)!(context))

/** A request of a stage: what is its own beside the credential. */
interface Sent {
  body?: Uint8Array | ReadableStream | string
  headers?: Record<string, string>
}

/** Everything a life happens in: the Worker's real D1 and R2, one of its queues, and a clock in the hands of the test. */
export class Stage implements Entrances {
  readonly domain: TestDomain
  readonly queueAtHand: StageQueue
  /** Who is told of what happens. */
  readonly receiver: StageReceiver
  readonly ledger = new MultipartLedger()
  /** Of each request of a client, in their order; null when it got none. */
  readonly answers: (Answer | null)[] = []
  /** What a life itself found to be wrong. */
  readonly wrong: string[] = []
  plan = new FaultPlan()
  /** The rows with which the life began. */
  rows: Row[] = []
  readonly #key: string
  #isOutOfReach: (call: string) => boolean = () => false
  #aheadMs = 0
  /** How much of that the queue has been told. */
  #elapsedMs = 0
  /** Known to have settled, by nothing having happened since. */
  #isSettled = false
  readonly #pending: { invocation: Invocation; work: Promise<unknown> }[] = []

  private constructor(domain: TestDomain, key: string, queue: StageQueue, receiver: StageReceiver) {
    this.domain = domain
    this.#key = key
    this.queueAtHand = queue
    this.receiver = receiver
  }

  /** A stage with an empty queue. `key` is an API key of the domain. */
  static async open(domain: TestDomain, key: string, queue: StageQueue, receiver: StageReceiver): Promise<Stage> {
    const stage = new Stage(domain, key, queue, receiver)
    await queue.open(stage)
    return stage
  }

  readonly now = (): number => Date.now() + this.#aheadMs

  wait(ms: number): void {
    this.#aheadMs += ms
  }

  /** While this runs, the calls that begin like this fail without effect. They are no faults, and are not counted. */
  async without<T>(call: string, run: () => Promise<T>): Promise<T> {
    this.#isOutOfReach = (name) => name.startsWith(call)
    try {
      return await run()
    } finally {
      this.#isOutOfReach = () => false
    }
  }

  /** One request of a client of the domain; its answer, or null when it died without one. */
  async request(method: string, path: string, sent: Sent = {}): Promise<Answer | null> {
    const place = this.answers.push(null) - 1
    const answer = await this.#send(method, `${this.domain.origin}${path}`, this.#key, sent)
    this.answers[place] = answer
    return answer
  }

  /** One request of the administrator. */
  requestAsAdmin(method: string, path: string, sent: Sent = {}): Promise<Answer | null> {
    return this.#send(method, `http://localhost${path}`, adminToken, sent)
  }

  async #send(method: string, url: string, key: string, sent: Sent): Promise<Answer | null> {
    const headers = { ...sent.headers, authorization: `Bearer ${key}` }
    const response = await this.fetch(new Request(url, { ...sent, method, headers }))
    return response && readAnswer(response)
  }

  /** What the queue has for the Worker, until it has nothing more. */
  async deliver(): Promise<void> {
    await this.#tellTime()
    await this.queueAtHand.deliver()
  }

  async fetch(request: Request): Promise<Response | null> {
    let answer: Response | null = null
    await this.#invoke(async (env, context) => {
      const response = await worker.fetch(request as Request<unknown, IncomingRequestCfProperties>, env, context)
      answer = await readWhole(response)
    })
    return answer
  }

  async queue(batch: MessageBatch, settle: (call: OutsideCall) => Promise<void>): Promise<void> {
    await this.#invoke(async (env, context, call) => {
      await worker.queue(batch as MessageBatch<never>, env, context)
      // The runtime makes the last call by itself: whether it fails, the handler never learns.
      await settle(call).catch(() => {})
    })
  }

  async sweep(): Promise<void> {
    const controller = { cron: '* * * * *', scheduledTime: this.now(), noRetry() {} } as ScheduledController
    await this.#invoke((env, context) => worker.scheduled(controller, env, context))
  }

  /**
   * What time brings by itself: sweeps and deliveries without faults, over more than a day. Unless `isThorough`, most of
   * those that would find nothing to do are left out. Returns what was not right before the walk over the bucket, which
   * would hide it, and what the queue holds at the end of all.
   */
  async recover(isThorough: boolean): Promise<string[]> {
    this.plan = new FaultPlan()
    const started = this.now()
    const until = async (time: number, isAlways = isThorough) => {
      if (!isAlways && (await this.#hasSettled())) return
      this.#aheadMs = Math.max(this.#aheadMs, started + time - Date.now())
      await this.sweep()
      await this.deliver()
    }
    for (const minutes of [0, 1, 2.5, 4, 10]) await until(minutes * minute, isThorough || minutes === 1)
    await this.#resumePending()
    for (const minutes of [12, 13, 20, 60]) await until(minutes * minute)
    for (const hours of [13, 14.5]) await until(hours * hour)
    const wrong = await deletedObjects()
    await until(25 * hour, true)
    await until(26.5 * hour)
    if (!(await this.queueAtHand.isEmpty())) wrong.push('the queue holds something for ever')
    return wrong
  }

  /** Whether nothing waits for anything, neither in a row nor in the queue. */
  async #hasSettled(): Promise<boolean> {
    this.#isSettled ||= (await this.queueAtHand.isEmpty()) && !(await isUnsettled())
    return this.#isSettled
  }

  async #resumePending(): Promise<void> {
    this.#isSettled = false
    for (const { invocation, work } of this.#pending.splice(0)) {
      await invocation.resume()
      await invocation.rest(work)
    }
  }

  async #tellTime(): Promise<void> {
    const ms = this.#aheadMs - this.#elapsedMs
    this.#elapsedMs = this.#aheadMs
    if (ms > 0) await this.queueAtHand.elapse(ms)
  }

  /** Runs something as an invocation of its own, until it has ended or will never end. */
  async #invoke(
    run: (env: Cloudflare.Env, context: ExecutionContext, call: OutsideCall) => Promise<void>,
  ): Promise<void> {
    this.#isSettled = false
    await this.#tellTime()
    const invocation = new Invocation(this.plan, this.#isOutOfReach)
    const { call } = invocation
    const env = {
      ...workerEnv,
      ...this.queueAtHand.vars,
      ...this.queueAtHand.bindings(call),
      BUCKET: watchBucket(workerEnv.BUCKET, call, this.ledger),
      DB: watchD1(workerEnv.DB, call, this.now),
    } as Cloudflare.Env
    builds.set(env, (context) => this.#build(env, context))
    const outliving: Promise<unknown>[] = []
    const context = {
      waitUntil: (promise: Promise<unknown>) => void outliving.push(promise),
      passThroughOnException() {},
      props: {},
    } as unknown as ExecutionContext
    const work = within(invocation, async () => {
      await run(env, context, call)
      while (outliving.length > 0) await Promise.allSettled(outliving.splice(0))
    })
    await invocation.rest(work)
    if (invocation.isPending) this.#pending.push({ invocation, work })
  }

  /** The Worker's own parts, on the clock of the test, in an isolate that knows nothing yet. */
  #build(env: Cloudflare.Env, context: { waitUntil(promise: Promise<unknown>): void }): Deps {
    const { now } = this
    return buildDeps(env, context, ({ control, databaseFor, env: { BASE_DOMAIN: baseDomain } }) => ({
      now,
      random: () => 0.5,
      log: () => {},
      // What an isolate tells of itself is no part of what is tried here.
      figures: { count: () => {}, flush: async () => {} },
      pool: new BufferPool(poolBytes),
      keyCache: new TimedCache(30_000),
      quietDomains: new TimedCache(30_000),
      directory: new DomainDirectory({ control, baseDomain, databaseFor, cache: new TimedCache(30_000), now }),
    }))
  }
}

/** The answer with its body read to the end: nothing of it is left to the invocation. */
async function readWhole(response: Response): Promise<Response> {
  return new Response(response.body && (await response.arrayBuffer()), response)
}
