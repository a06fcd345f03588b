import type { Context } from 'hono'
import type { Credential } from './core/access.ts'
import type { Domain } from './core/domain.ts'
import type { HostMeaning } from './core/host.ts'
import type { Deps } from './deps.ts'
import type { RequestBody } from './ingest/request-body.ts'

/** What each request carries through the middleware to its route. */
export interface AppEnv {
  Bindings: Cloudflare.Env
  Variables: {
    requestId: string
    deps: Deps
    /** What nobody expected, and went wrong: for the log alone. */
    failure: unknown
    body: RequestBody
    /** Scheme, host and port that the request was sent to. Set on `/v1/…`. */
    origin: string
    /** What the request's host stands for. Set on `/v1/…`. */
    host: HostMeaning
    /** Set on `/v1/…`. */
    credential: Credential
    /** Set where something is done in a domain, as on `/v1/uploads…`; null when nothing outside of the body names one. */
    domain: Domain | null
  }
}

export type AppContext = Context<AppEnv>
