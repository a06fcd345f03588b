import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import type { Deps } from '../../../src/deps.ts'
import { Ledger } from '../../../src/resumable/ledger.ts'
import { appendHeader, type SentAppend } from '../../../src/resumable/outcome.ts'
import { Upload } from '../../../src/resumable/upload.ts'
import { uploadSessionClass } from '../../../src/resumable/upload-session.ts'
import { depsWith, type Faults, faultyD1, HeldQueue, type Moment, overriding } from './faults.ts'
import { sessionOf } from './sessions.ts'

/** Counts every call that leaves the session, and has the one with this number fail at this moment. */
export class Outside {
  readonly calls: string[] = []
  readonly #failing: number
  readonly #moment: Moment

  constructor(failing = -1, moment: Moment = 'before') {
    this.#failing = failing
    this.#moment = moment
  }

  get bindings(): { DB: D1Database; BUCKET: R2Bucket } {
    const DB = faultyD1(env.DB, (sql) =>
      this.#count(`D1 ${/^\w+ \W*\w+\W* \w+/.exec(sql)?.[0]}`) ? this.#moment : undefined,
    )
    const BUCKET = this.#watching(env.BUCKET, ['put', 'get', 'head', 'delete', 'createMultipartUpload'], {
      createMultipartUpload: (upload) => this.#watchingUpload(upload as R2MultipartUpload),
    })
    const resume = env.BUCKET.resumeMultipartUpload.bind(env.BUCKET)
    const resumeMultipartUpload = (key: string, id: string) => this.#watchingUpload(resume(key, id))
    return { DB, BUCKET: overriding(BUCKET, { resumeMultipartUpload }) }
  }

  #watchingUpload(upload: R2MultipartUpload): R2MultipartUpload {
    return this.#watching(upload, ['uploadPart', 'complete', 'abort'])
  }

  #watching<T extends object>(
    target: T,
    methods: (keyof T & string)[],
    results: Record<string, (result: unknown) => unknown> = {},
  ): T {
    const replaced = methods.map((method) => {
      const original = (target[method] as (...values: unknown[]) => Promise<unknown>).bind(target)
      const watched = async (...values: unknown[]) => {
        const fails = this.#count(`R2 ${method}`)
        if (fails && this.#moment === 'before') throw new Error('R2 did not answer.')
        const result = await original(...values)
        if (fails) throw new Error('R2’s answer was lost.')
        return results[method]?.(result) ?? result
      }
      return [method, watched] as const
    })
    return overriding(target, Object.fromEntries(replaced) as unknown as Partial<T>)
  }

  #count(call: string): boolean {
    this.calls.push(call)
    return this.calls.length - 1 === this.#failing
  }
}

/** R2, the bytes of whose objects break off: with an error (before), or as if there were no more of them (after). */
export function breakingR2(moment: Moment): R2Bucket {
  const start = (controller: ReadableByteStreamController) => {
    if (moment === 'before') controller.error(new Error('Network connection lost.'))
    else controller.close()
  }
  const get = async (key: string, options?: R2GetOptions) => {
    const object = await env.BUCKET.get(key, options)
    const body = new ReadableStream({ type: 'bytes', start }) as R2ObjectBody['body']
    return object && overriding(object as R2ObjectBody, { body })
  }
  return overriding(env.BUCKET, { get } as Partial<R2Bucket>)
}

/** Works on a session with these bindings and parts, in an object that was started for it. */
export function onSession<T>(
  id: string,
  bindings: Record<string, unknown>,
  work: (upload: Upload) => Promise<T>,
  parts: Partial<Deps> = {},
): Promise<T> {
  return runInDurableObject(sessionOf(id), (_session, { storage }) => {
    const deps = depsWith({ env: bindings, deps: () => ({ queue: new HeldQueue(), log: () => {}, ...parts }) })
    const [place] = deps.places
    return work(new Upload({ ...deps, ...place!, ledger: new Ledger(storage), wakeAt: async () => {} }))
  })
}

/** Lets a session's alarm ring while it works with parts of which some are replaced; it may throw. Returns when it rings again. */
export function alarmWith(id: string, faults: Faults): Promise<{ failure: unknown; again: number | null }> {
  return runInDurableObject(sessionOf(id), async (_session, state) => {
    const Session = uploadSessionClass((_env, context) => depsWith(faults, context as ExecutionContext))
    await state.storage.deleteAlarm()
    const failure = await new Session(state, env).alarm().catch((error) => error)
    return { failure, again: await state.storage.getAlarm() }
  })
}

/** Sends an append to a session that works with parts of which some are replaced, in an object that was started for it. */
export function appendTo(id: string, sent: SentAppend, body: string, faults: Faults): Promise<Response> {
  return runInDurableObject(sessionOf(id), (_session, state) => {
    const Session = uploadSessionClass((_env, context) => depsWith(faults, context as ExecutionContext))
    const headers = { [appendHeader]: JSON.stringify(sent) }
    return new Session(state, env).fetch(new Request('https://session/', { method: 'POST', headers, body }))
  })
}
