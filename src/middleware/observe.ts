import { createMiddleware } from 'hono/factory'
import { matchedRoutes } from 'hono/route'
import type { AppContext, AppEnv } from '../context.ts'
import type { Journal, Log } from '../core/ports.ts'
import { parseTraceHeaders } from '../core/trace-context.ts'
import { lineFields, serverTiming, type WorkNotes, type WorkRecord } from '../core/work-record.ts'

/** What writes requests down. `log` is for those that fail before there is a better one, which knows the configuration. */
export interface ObserveParts {
  journal: Journal
  log: Log
}

/**
 * Runs each request as a piece of work of its own: part of the trace that its client has begun, or the first of a new one.
 * It leaves one line in the log and its figures in the metrics, once that is over which its answer did not wait for;
 * what the answer did wait for, its client sees as `Server-Timing`.
 */
export function observe({ journal, log }: ObserveParts) {
  return createMiddleware<AppEnv>(async function observe(c, next) {
    const before = parseTraceHeaders({
      traceparent: c.req.header('traceparent') ?? null,
      tracestate: c.req.header('tracestate') ?? null,
    })
    await journal.run('request', { requestId: c.get('requestId'), before }, async (work) => {
      await next()
      const { res } = c
      res.headers.set('Server-Timing', serverTiming(work.record()))
      const readers = res.headers.get('Access-Control-Allow-Origin')
      if (readers !== null) res.headers.set('Timing-Allow-Origin', readers)
      work.note(notesOf(c))
      const parts = c.get('deps') ?? { log, report: () => {} }
      const conclude = (whole: WorkRecord) => {
        parts.log(res.status >= 500 ? 'error' : 'info', eventOf(res.status), { ...lineFields(whole), ...failureOf(c) })
        parts.report(whole)
      }
      work.end((promise) => c.executionCtx.waitUntil(promise), conclude)
    })
  })
}

const eventOf = (status: number) => (status >= 500 ? 'request-failed' : 'request-done')

/** Never the path itself: it may hold a filename, and its query a token. */
function notesOf(c: AppContext): WorkNotes {
  const { method } = c.req
  const { status, headers } = c.res
  const route = routeOf(c)
  const [, , , id = ''] = c.req.path.split('/')
  const domain = c.get('domain')
  const length = headers.get('Content-Length')
  return {
    method,
    route,
    status,
    ...(domain ? { domain: domain.slug, domainId: domain.id } : {}),
    ...(aboutOneUpload.test(route) && uuidForm.test(id) ? { uploadId: id } : {}),
    // Whoever is refused for the method has no body.
    bytesIn: c.get('body')?.readBytes ?? 0,
    ...(length === null ? {} : { bytesOut: Number(length) }),
    outcome: status >= 500 ? 'failed' : status >= 400 ? 'refused' : 'ok',
  }
}

const aboutOneUpload = /^\/v1\/(uploads|tus|resumable)\/:id/
const uuidForm = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** The pattern that the request's path was found by; `none` where there is nothing at its address. */
function routeOf(c: AppContext): string {
  return matchedRoutes(c).find(({ path }) => !path.endsWith('*'))?.path ?? 'none'
}

/** What went wrong, where nobody expected it. */
function failureOf(c: AppContext) {
  const failure = c.get('failure')
  return failure === undefined ? {} : { error: failure }
}
