import { fileStatuses } from '../../src/core/status.ts'
import { overriding } from '../support/workers/faults.ts'
import type { OutsideCall } from './outside-calls.ts'

/** What happened to multipart uploads in R2, whoever asked for it and whatever he was told. */
export class MultipartLedger {
  readonly #uploads = new Map<string, { key: string; parts: number }>()

  started(key: string, uploadId: string): void {
    this.#uploads.set(uploadId, { key, parts: 0 })
  }

  gotPart(uploadId: string): void {
    const upload = this.#uploads.get(uploadId)
    if (upload) upload.parts++
  }

  get all(): { uploadId: string; key: string; parts: number }[] {
    return [...this.#uploads].map(([uploadId, upload]) => ({ uploadId, ...upload }))
  }
}

/** A bucket of which every call goes through `call`. */
export function watchBucket(bucket: R2Bucket, call: OutsideCall, ledger: MultipartLedger): R2Bucket {
  const watchUpload = (upload: R2MultipartUpload): R2MultipartUpload =>
    overriding(upload, {
      uploadPart: (...args: Parameters<R2MultipartUpload['uploadPart']>) =>
        call('R2 uploadPart', async () => {
          const part = await upload.uploadPart(...args)
          ledger.gotPart(upload.uploadId)
          return part
        }),
      complete: (parts) => call('R2 complete', () => upload.complete(parts)),
      abort: () => call('R2 abort', () => upload.abort()),
    })
  const replaced = {
    put: (...args: Parameters<R2Bucket['put']>) => call('R2 put', () => bucket.put(...args)),
    get: async (...args: Parameters<R2Bucket['get']>) => {
      const object = await call('R2 get', () => bucket.get(...args))
      if (!object || !('body' in object)) return object
      return overriding(object as R2ObjectBody, { body: watchBody(object as R2ObjectBody, call) })
    },
    head: (key: string) => call('R2 head', () => bucket.head(key)),
    delete: (keys: string | string[]) => call('R2 delete', () => bucket.delete(keys)),
    list: (options?: R2ListOptions) => call('R2 list', () => bucket.list(options)),
    createMultipartUpload: async (...args: Parameters<R2Bucket['createMultipartUpload']>) => {
      const upload = await call('R2 createMultipartUpload', async () => {
        const started = await bucket.createMultipartUpload(...args)
        ledger.started(started.key, started.uploadId)
        return started
      })
      return watchUpload(upload)
    },
    resumeMultipartUpload: (key: string, uploadId: string) => watchUpload(bucket.resumeMultipartUpload(key, uploadId)),
  }
  return overriding(bucket, replaced as unknown as Partial<R2Bucket>)
}

/** An object's bytes: reading them is a call of its own, which `after` its effect has brought all of them but the end. */
function watchBody(object: R2ObjectBody, call: OutsideCall): ReadableStream {
  let end: Promise<unknown> | undefined
  return new ReadableStream({
    type: 'bytes',
    async pull(controller) {
      if (!end) {
        const read = Promise.withResolvers<Uint8Array>()
        end = call('R2 read body', async () => read.resolve(new Uint8Array(await object.arrayBuffer())))
        end.catch(read.reject)
        const bytes = await read.promise
        if (bytes.byteLength > 0) return controller.enqueue(bytes)
      }
      await end
      controller.close()
      // A reader with a view of his own waits for it until it is given back.
      ;(controller as ReadableByteStreamController).byobRequest?.respond(0)
    },
  })
}

const calls = ['all', 'raw', 'run', 'first'] as const

/** A database of which every query and every batch goes through `call`, and which goes by the clock of the test. */
export function watchD1(d1: D1Database, call: OutsideCall, now: () => number): D1Database {
  const known = new WeakMap<object, { name: string; make(): D1PreparedStatement }>()
  const watch = (sql: string, values: unknown[]): D1PreparedStatement => {
    const name = nameOf(sql, values)
    // D1 asks its own clock when the statement arrives, which may be long after it was prepared.
    const make = () => d1.prepare(sql.replaceAll("unixepoch('subsec') * 1000", String(now()))).bind(...values)
    const replaced: Record<string, unknown> = { bind: (...bound: unknown[]) => watch(sql, bound) }
    for (const method of calls) {
      replaced[method] = (...args: unknown[]) =>
        call(`D1 ${name}`, () => {
          const statement = make()
          return Reflect.apply(statement[method], statement, args) as Promise<unknown>
        })
    }
    const watched = replaced as unknown as D1PreparedStatement
    known.set(watched, { name, make })
    return watched
  }
  return overriding(d1, {
    prepare: (sql: string) => watch(sql, []),
    batch: (statements: D1PreparedStatement[]) => {
      const all = statements.map((statement) => known.get(statement)!)
      return call(`D1 ${all.map(({ name }) => name).join(' + ')}`, () => d1.batch(all.map(({ make }) => make())))
    },
  } as Partial<D1Database>)
}

/** What a statement does to which table: `update uploaded_files → complete`. */
function nameOf(sql: string, values: readonly unknown[]): string {
  const [, verb, table] = /^\s*(?:with .*? )?(select|insert|update|delete)\b.*?"(\w+)"/is.exec(sql) ?? []
  const from = /\bfrom "?(\w+)"?/i.exec(sql)?.[1]
  const name = `${verb?.toLowerCase()} ${verb?.toLowerCase() === 'select' ? (from ?? table) : table}`
  const status = values.find((value) => (fileStatuses as readonly unknown[]).includes(value))
  return name === 'update uploaded_files' && status !== undefined ? `${name} → ${status}` : name
}
