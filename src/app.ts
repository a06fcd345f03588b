import { OpenAPIHono } from '@hono/zod-openapi'
import { methodNotAllowed } from 'hono/method-not-allowed'
import { requestId } from 'hono/request-id'
import type { AppContext, AppEnv } from './context.ts'
import { Refusal } from './core/errors.ts'
import { buildDeps, type Deps } from './deps.ts'
import { journal, workIds } from './journal.ts'
import { logFrom } from './log.ts'
import { credential } from './middleware/credential.ts'
import { crossOrigin } from './middleware/cross-origin.ts'
import { deps } from './middleware/deps.ts'
import { domain } from './middleware/domain.ts'
import { domainRules } from './middleware/domain-rules.ts'
import { host } from './middleware/host.ts'
import { observe } from './middleware/observe.ts'
import { requestBody } from './middleware/request-body.ts'
import { methodOverride, requireTusVersion, tusProtocol } from './middleware/tus-protocol.ts'
import { invalidRequest, problemDocument, toRefusal } from './problem.ts'
import { adminRoutes } from './routes/admin.ts'
import { callbackSecretRoutes } from './routes/callback-secret.ts'
import { consoleRoutes } from './routes/console.ts'
import { contentRoutes } from './routes/content.ts'
import { credentialRoutes } from './routes/credential.ts'
import { deliveryRoutes } from './routes/deliveries.ts'
import { domainHostnameRoutes } from './routes/domain-hostnames.ts'
import { domainKeyRoutes } from './routes/domain-keys.ts'
import { domainUsageRoutes } from './routes/domain-usage.ts'
import { domainRoutes } from './routes/domains.ts'
import { eventRoutes } from './routes/events.ts'
import { healthRoutes } from './routes/health.ts'
import { internalJobRoutes } from './routes/internal-jobs.ts'
import { metricsRoutes } from './routes/metrics.ts'
import { openApiInfo } from './routes/openapi-info.ts'
import { referenceRoutes } from './routes/reference.ts'
import { resumableRoutes } from './routes/resumable/resumable.ts'
import { sendUploadRoutes } from './routes/send-upload.ts'
import { stepAnswerRoutes } from './routes/step-answers.ts'
import { tokenRoutes } from './routes/tokens.ts'
import { tusRoutes } from './routes/tus/tus.ts'
import { uploadRoutes } from './routes/uploads.ts'
import { webhookRoutes } from './routes/webhooks.ts'

/** What is done in a domain, by its clients and by the pages of their browsers. */
const inDomain = ['/v1/uploads/*', '/v1/events/*', '/v1/upload-tokens/*', '/v1/tus/*', '/v1/resumable/*']

/** The whole HTTP interface. `build` makes what a request works with; tests pass one of their own. */
export function createApp(
  build: (env: unknown, context: { waitUntil(promise: Promise<unknown>): void }) => Deps = buildDeps,
) {
  const app = new OpenAPIHono<AppEnv>({
    defaultHook: (result) => {
      if (!result.success) throw invalidRequest(result.target, result.error.issues)
    },
  })

  app.use('/v1/tus/*', methodOverride(app))
  app.use(requestId())
  app.use(observe({ journal, log: logFrom('info', workIds) }))
  app.use(methodNotAllowed({ app, onMethodNotAllowed: refuseMethod }))
  app.use(requestBody())
  app.use(deps(build))
  app.use('/v1/tus/*', tusProtocol())
  app.use('/v1/*', host())
  for (const path of inDomain) app.use(path, crossOrigin())
  app.use('/v1/tus/*', requireTusVersion())
  app.use('/v1/*', credential())
  for (const path of inDomain) app.use(path, domain(), domainRules())

  app.route('/', sendUploadRoutes)
  app.route('/', uploadRoutes)
  app.route('/', contentRoutes)
  app.route('/', eventRoutes)
  app.route('/', tusRoutes)
  app.route('/', resumableRoutes)
  app.route('/', tokenRoutes)
  app.route('/', stepAnswerRoutes)
  app.route('/', credentialRoutes)
  app.route('/', domainRoutes)
  app.route('/', domainKeyRoutes)
  app.route('/', domainUsageRoutes)
  app.route('/', domainHostnameRoutes)
  app.route('/', webhookRoutes)
  app.route('/', deliveryRoutes)
  app.route('/', callbackSecretRoutes)
  app.route('/', adminRoutes)
  app.route('/', internalJobRoutes)
  app.route('/', healthRoutes)
  app.route('/', metricsRoutes)
  app.route('/', consoleRoutes)
  app.route('/', referenceRoutes)
  app.openAPIRegistry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
  })
  app.doc31('/openapi.json', openApiInfo)

  app.notFound((c) =>
    answer(c, new Refusal('route-not-found', 'There is nothing at this address. See /openapi.json for what there is.')),
  )
  app.onError((error, c) => answer(c, toRefusal(error)))
  return app
}

function refuseMethod(c: AppContext, methods: string[]): Response {
  c.header('Allow', methods.join(', '))
  return answer(
    c,
    new Refusal('method-not-allowed', `${c.req.method} is not allowed here; ${methods.join(', ')} are.`, {
      facts: { allow: methods },
    }),
  )
}

/** A refusal as the client sees it. What nobody expected is in the log, in the line of the same request id. */
function answer(c: AppContext, refusal: Refusal): Response {
  const document = { ...problemDocument(refusal), requestId: c.var.requestId }
  journal.note({ code: refusal.code })
  if (document.status >= 500) c.set('failure', refusal.cause ?? refusal)
  if (document.status === 401) c.header('WWW-Authenticate', 'Bearer')
  if (refusal.retryAfterSeconds !== undefined) c.header('Retry-After', String(refusal.retryAfterSeconds))
  c.header('Content-Type', 'application/problem+json')
  return c.body(JSON.stringify(document), document.status as 400)
}
