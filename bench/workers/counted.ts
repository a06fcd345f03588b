import application from '../../src/index.ts'

export { RateLimiterObject, TotalsObject, UploadSession, WatchObject } from '../../src/index.ts'

const counts = { r2: [] as string[], d1: [] as string[], publishes: [] as string[] }

/** Calls of these methods leave the Worker; all others only prepare one. */
const outgoing = {
  r2: new Set(['put', 'get', 'head', 'delete', 'list', 'createMultipartUpload', 'uploadPart', 'complete', 'abort']),
  d1: new Set(['run', 'all', 'first', 'raw', 'batch', 'exec', 'dump']),
  publishes: new Set(['send', 'sendBatch']),
}

/** What a wrapped object stands for: bindings refuse anything but their own. */
const originals = new WeakMap<object, object>()
const originalOf = (value: unknown): unknown =>
  Array.isArray(value) ? value.map(originalOf) : (originals.get(value as object) ?? value)

/** The same object, of which every outgoing call is counted, and of what it makes as well. */
function counted<Binding extends object>(binding: Binding, kind: keyof typeof counts): Binding {
  const proxy = new Proxy(binding, {
    get(target, name) {
      const value = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => {
        const isOutgoing = outgoing[kind].has(String(name))
        if (isOutgoing) counts[kind].push(String(name))
        const result = value.apply(target, args.map(originalOf))
        if (name === 'createMultipartUpload') return result.then((upload: object) => counted(upload, kind))
        return isOutgoing || typeof result !== 'object' ? result : counted(result, kind)
      }
    },
  })
  originals.set(proxy, binding)
  return proxy
}

let wrapped: Cloudflare.Env | undefined

/** The application with counted bindings; `/counts` takes what was counted since it was asked last. */
export default {
  async fetch(request, env, context) {
    if (new URL(request.url).pathname === '/counts') {
      const answer = Response.json(counts)
      for (const calls of Object.values(counts)) calls.length = 0
      return answer
    }
    wrapped ??= {
      ...env,
      BUCKET: counted(env.BUCKET, 'r2'),
      DB: counted(env.DB, 'd1'),
      JOBS: counted(env.JOBS, 'publishes'),
    }
    return application.fetch(request, wrapped, context)
  },
} satisfies ExportedHandler<Cloudflare.Env>
