import type { Context } from 'hono'
import type { Credential } from './core/access.ts'
import type { Domain } from './core/domain.ts'
import type { Deps } from './deps.ts'
import type { RequestBody } from './ingest/request-body.ts'

/** What each request carries through the middleware to its route. */
export interface AppEnv {
  Bindings: Cloudflare.Env
  Variables: {
    requestId: string
    deps: Deps
    body: RequestBody
    /** Set on `/v1/uploads…`. */
    credential: Credential
    /** Set on `/v1/uploads…`; null when nothing outside of the body names one. */
    domain: Domain | null
    /** Whether the request came in on the deployment's own host. */
    isApex: boolean
  }
}

export type AppContext = Context<AppEnv>
