import { env as workerEnv } from 'cloudflare:workers'
import { createApp } from '../../src/app.ts'
import { TimedCache } from '../../src/core/timed-cache.ts'
import { buildDeps, type Deps } from '../../src/deps.ts'
import { BufferPool } from '../../src/ingest/buffer-pool.ts'
import { consumeBatch } from '../../src/queue/cloudflare.ts'
import { DomainDirectory } from '../../src/services/domain-directory.ts'
import { reconcile } from '../../src/services/reconcile/reconcile.ts'
import { runJob } from '../../src/services/run-job.ts'
import { type Answer, readAnswer, type TestDomain } from '../support/workers/client.ts'
import { FaultPlan, Invocation } from './outside-calls.ts'
import { deletedObjects, isUnsettled, type Row } from './state.ts'
import { TestQueue } from './test-queue.ts'
import { MultipartLedger, watchBucket, watchD1 } from './watched-bindings.ts'

const minute = 60_000
const hour = 60 * minute

/** Enough for the two parts that the largest file here has at once. */
const poolBytes = 32 * 1024 * 1024

/** What each environment object given to the app is to be built into. */
const builds = new WeakMap<object, (context: { waitUntil(promise: Promise<unknown>): void }) => Deps>()
const app = createApp((env, context) => builds.get(env as object)!(context))

/** Everything a life happens in: the Worker's real D1 and R2, a queue and a clock in the hands of the test. */
export class Stage {
  readonly domain: TestDomain
  /** An API key of the domain. */
  readonly key: string
  readonly queue = new TestQueue()
  readonly ledger = new MultipartLedger()
  /** Of each request of the life, in their order; null when it got none. */
  readonly answers: (Answer | null)[] = []
  plan = new FaultPlan()
  /** The rows with which the life began. */
  rows: Row[] = []
  #aheadMs = 0
  readonly #pending: { invocation: Invocation; work: Promise<unknown> }[] = []

  constructor(domain: TestDomain, key: string) {
    this.domain = domain
    this.key = key
  }

  readonly now = (): number => Date.now() + this.#aheadMs

  wait(ms: number): void {
    this.#aheadMs += ms
  }

  /** One request; its answer, or null when it died without one. */
  async request(method: string, path: string, init: RequestInit = {}): Promise<Answer | null> {
    const place = this.answers.push(null) - 1
    const headers = { ...(init.headers as Record<string, string>), authorization: `Bearer ${this.key}` }
    const request = new Request(`${this.domain.origin}${path}`, { ...init, method, headers })
    await this.#invoke(async (env, build, waitUntil) => {
      builds.set(env, build)
      const context = { waitUntil, passThroughOnException() {}, props: {} } as unknown as ExecutionContext
      this.answers[place] = await readAnswer(await app.fetch(request, env, context))
    })
    return this.answers[place] ?? null
  }

  /** Hands the queue's messages to a consumer, one batch after the other, until none is ready. */
  async deliver(): Promise<void> {
    for (let batch = this.queue.take(this.now()); batch; batch = this.queue.take(this.now())) {
      const taken = batch
      await this.#invoke(async (_env, build, waitUntil) => {
        const deps = build({ waitUntil })
        await consumeBatch(taken, (message) => runJob(deps, message))
      })
    }
  }

  /** The scheduled handler of one minute. */
  async sweep(): Promise<void> {
    await this.#invoke(async (_env, build, waitUntil) => {
      const deps = build({ waitUntil })
      for (const place of deps.places) await reconcile({ ...deps, ...place })
    })
  }

  /**
   * What time brings by itself: sweeps and deliveries without faults, over more than a day. Unless `isThorough`, most of
   * those that would find nothing to do are left out. Returns what was not right before the walk over the bucket, which
   * would hide it.
   */
  async recover(isThorough: boolean): Promise<string[]> {
    this.plan = new FaultPlan()
    const started = this.now()
    const until = async (time: number, isAlways = isThorough) => {
      if (!isAlways && this.queue.length === 0 && !(await isUnsettled())) return
      this.#aheadMs = Math.max(this.#aheadMs, started + time - Date.now())
      await this.sweep()
      await this.deliver()
    }
    for (const minutes of [0, 1, 2.5, 4, 10]) await until(minutes * minute, isThorough || minutes === 1)
    await this.#resumePending()
    for (const minutes of [12, 13, 20]) await until(minutes * minute)
    for (const hours of [13, 14.5]) await until(hours * hour)
    const wrong = await deletedObjects()
    for (const hours of [25, 26.5]) await until(hours * hour, true)
    return wrong
  }

  async #resumePending(): Promise<void> {
    for (const { invocation, work } of this.#pending.splice(0)) {
      await invocation.resume()
      await invocation.rest(work)
    }
  }

  /** Runs something as an invocation of its own, until it has ended or will never end. */
  async #invoke(
    run: (
      env: Cloudflare.Env,
      build: (context: { waitUntil(promise: Promise<unknown>): void }) => Deps,
      waitUntil: (promise: Promise<unknown>) => void,
    ) => Promise<void>,
  ): Promise<void> {
    const invocation = new Invocation(this.plan)
    const { call } = invocation
    const env = {
      ...workerEnv,
      BUCKET: watchBucket(workerEnv.BUCKET, call, this.ledger),
      DB: watchD1(workerEnv.DB, call, this.now),
      JOBS: this.queue.binding(call, this.now),
    } as Cloudflare.Env
    const outliving: Promise<unknown>[] = []
    const waitUntil = (promise: Promise<unknown>) => {
      outliving.push(promise)
    }
    const work = (async () => {
      await run(env, (context) => this.#build(env, context), waitUntil)
      while (outliving.length > 0) await Promise.allSettled(outliving.splice(0))
    })()
    await invocation.rest(work)
    if (invocation.isPending) this.#pending.push({ invocation, work })
  }

  /** The Worker's own parts, on the clock of the test, in an isolate that knows nothing yet. */
  #build(env: Cloudflare.Env, context: { waitUntil(promise: Promise<unknown>): void }): Deps {
    const deps = buildDeps(env, context)
    const { now } = this
    return {
      ...deps,
      now,
      random: () => 0.5,
      log: () => {},
      pool: new BufferPool(poolBytes),
      keyCache: new TimedCache(30_000),
      directory: new DomainDirectory({
        control: deps.control,
        baseDomain: deps.env.BASE_DOMAIN,
        databaseFor: deps.databaseFor,
        cache: new TimedCache(30_000),
        now,
      }),
    }
  }
}
