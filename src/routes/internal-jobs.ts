import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { createMiddleware } from 'hono/factory'
import { z } from 'zod'
import type { AppContext, AppEnv } from '../context.ts'
import { Refusal } from '../core/errors.ts'
import { noteDeadJob, runJob } from '../services/run-job.ts'

/** Larger than any job, and than the report of a failed one with all its headers. */
const limitedBody = bodyLimit({
  maxSize: 256 * 1024,
  onError: () => {
    throw new Refusal('request-too-large', 'This is larger than any delivery of a job.')
  },
})

/** What QStash posts of a message that it gave up; `sourceBody` is the message's own body in base64. */
const failureSchema = z.looseObject({
  sourceBody: z.string(),
  status: z.number().optional(),
})

/** QStash keeps to `Retry-After`, and would have used up its retries in seconds: its own spacing is wider each time. */
const withoutRetryAfter = createMiddleware<AppEnv>(async function withoutRetryAfter(c, next) {
  await next()
  c.res.headers.delete('Retry-After')
})

/** QStash's callbacks. Without its signature, or on another host than `CALLBACK_URL`'s, they do nothing. */
export const internalJobRoutes = new Hono<AppEnv>()
  .use('/internal/*', withoutRetryAfter)
  .post('/internal/jobs', limitedBody, async (c) => {
    const message = await signedBody(c, 'jobUrl')
    if (!(await runJob(c.var.deps, message))) return neverAgain(c)
    return c.json({ ok: true })
  })
  .post('/internal/jobs/failed', limitedBody, async (c) => {
    const report = failureSchema.safeParse(await signedBody(c, 'failedJobUrl'))
    if (!report.success) return neverAgain(c)
    const { sourceBody, status } = report.data
    if (!(await noteDeadJob(c.var.deps, parseJson(fromBase64(sourceBody)), `the last answer was ${status ?? 'none'}`)))
      return neverAgain(c)
    return c.json({ ok: true })
  })

/** The delivery's body, after its signature was found to be QStash's for exactly this URL. */
async function signedBody(c: AppContext, url: 'jobUrl' | 'failedJobUrl'): Promise<unknown> {
  const { callbacks } = c.var.deps
  if (!callbacks || URL.parse(c.req.url)?.host !== callbacks.host) {
    throw new Refusal('route-not-found', 'There is nothing at this address.')
  }
  const body = await c.req.text()
  if (!(await callbacks.verify(c.req.header('upstash-signature'), body, callbacks[url]))) {
    throw new Refusal('signature-invalid', 'The delivery is not signed by the queue of this deployment.')
  }
  return parseJson(body)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function fromBase64(text: string): string {
  try {
    return atob(text)
  } catch {
    return ''
  }
}

/** Tells QStash that delivering this again can't help: status 489 with this header ends its retries. */
function neverAgain(c: AppContext): Response {
  return new Response('not a job', {
    status: 489,
    headers: {
      'Upstash-NonRetryable-Error': 'true',
      'X-Request-Id': c.var.requestId,
    },
  })
}
