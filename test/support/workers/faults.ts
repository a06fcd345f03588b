import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test'
import { env as workerEnv } from 'cloudflare:workers'
import { createApp } from '../../../src/app.ts'
import type { Job } from '../../../src/core/job.ts'
import type { JobQueue } from '../../../src/core/ports.ts'
import { buildDeps, type Deps } from '../../../src/deps.ts'
import type { Send } from './client.ts'

/** When a call fails: before it has done anything, or after it has done all of it and only the answer is lost. */
export type Moment = 'before' | 'after'

/**
 * The real D1, of which a batch or a query fails where `fault` says so, with the error that `lost` makes. `fault` sees the
 * SQL of all statements sent at once, each with its values.
 */
export function faultyD1(
  d1: D1Database,
  fault: (sql: string) => Moment | undefined | Promise<undefined>,
  lost = () => new Error('D1_ERROR: Network connection lost.'),
): D1Database {
  const texts = new WeakMap<object, string>()
  const guard = async <T>(sql: string, run: () => Promise<T>): Promise<T> => {
    const moment = await fault(sql)
    if (moment === 'before') throw lost()
    const result = await run()
    if (moment === 'after') throw lost()
    return result
  }
  const watched = (statement: D1PreparedStatement, sql: string): D1PreparedStatement => {
    texts.set(statement, sql)
    const bind = statement.bind.bind(statement)
    statement.bind = (...values) => watched(bind(...values), `${sql} -- ${JSON.stringify(values)}`)
    for (const method of ['all', 'raw', 'run', 'first'] as const) {
      const original = statement[method].bind(statement) as (...values: unknown[]) => Promise<unknown>
      Object.assign(statement, { [method]: (...values: unknown[]) => guard(sql, () => original(...values)) })
    }
    return statement
  }
  return overriding(d1, {
    prepare: (sql: string) => watched(d1.prepare(sql), sql),
    batch: (statements: D1PreparedStatement[]) =>
      guard(statements.map((statement) => texts.get(statement)).join(';\n'), () => d1.batch(statements)),
  } as Partial<D1Database>)
}

/** An object with some of its methods replaced; the others stay bound to it. */
export function overriding<T extends object>(target: T, replaced: Partial<T>): T {
  return new Proxy(target, {
    get(object, name) {
      if (Object.hasOwn(replaced, name)) return replaced[name as keyof T]
      const value = Reflect.get(object, name, object)
      return typeof value === 'function' ? value.bind(object) : value
    },
  })
}

/** A queue that keeps what is published for the test to deliver. */
export class HeldQueue implements JobQueue {
  readonly published: { job: Job; delaySeconds: number }[] = []

  async publish(jobs: readonly Job[], { delaySeconds = 0 }: { delaySeconds?: number } = {}): Promise<void> {
    this.published.push(...jobs.map((job) => ({ job, delaySeconds })))
  }

  /** The jobs since the last call. */
  take(): Job[] {
    return this.published.splice(0).map(({ job }) => job)
  }
}

export interface Faults {
  /** Bindings and variables in place of the Worker's own. */
  env?: Record<string, unknown>
  /** Parts in place of those that the environment gives. */
  deps?: (deps: Deps) => Partial<Deps>
}

/** What an invocation works with, some of it replaced. */
export function depsWith({ env = {}, deps = () => ({}) }: Faults = {}, context = createExecutionContext()): Deps {
  const built = buildDeps({ ...workerEnv, ...env }, context)
  return { ...built, ...deps(built) }
}

/** The whole HTTP interface, with some of its parts replaced. What outlives an answer has ended when it is given. */
export function appWith(faults: Faults): Send {
  const app = createApp((_env, context) => depsWith(faults, context as ExecutionContext))
  return async (request) => {
    const context = createExecutionContext()
    const response = await app.fetch(request, workerEnv, context)
    await waitOnExecutionContext(context)
    return response
  }
}
