import { parse, patch } from '@decimalturn/toml-patch'
import { z } from 'zod'
import { Failure } from '../failure.ts'

/** What stands in wrangler.toml until a deployment has its own. */
export const placeholder = {
  host: 'uploads.example.com',
  databaseId: '00000000-0000-0000-0000-000000000000',
}

const shape = z.looseObject({
  name: z.string(),
  env: z.looseObject({
    production: z.looseObject({
      routes: z.array(z.looseObject({ pattern: z.string(), zone_name: z.string().optional() })).optional(),
      vars: z.looseObject({ BASE_DOMAIN: z.string() }),
      r2_buckets: z.array(
        z.looseObject({ binding: z.string(), bucket_name: z.string(), jurisdiction: z.string().optional() }),
      ),
      d1_databases: z.array(z.looseObject({ binding: z.string(), database_name: z.string(), database_id: z.string() })),
      queues: z.looseObject({
        consumers: z.array(z.looseObject({ queue: z.string() })),
      }),
    }),
  }),
})

export interface Bucket {
  name: string
  jurisdiction: string | undefined
}

export interface Database {
  binding: string
  name: string
  /** Undefined while it is the placeholder. */
  id: string | undefined
  jurisdiction: string | undefined
}

/** What the production environment of wrangler.toml asks for. */
export interface Production {
  /** The Worker's name in the account. */
  worker: string
  /** Undefined while it is the placeholder. */
  host: string | undefined
  /** The zone of the routes that there are already. */
  zone: string | undefined
  buckets: Bucket[]
  databases: Database[]
  /** Every queue that is consumed, the one for dead letters among them. */
  queues: string[]
}

/** Reads `[env.production]`. Throws a `Failure` that says where it is not as it should be. */
export function readProduction(text: string): Production {
  const { name, env } = parseConfiguration(text)
  const { routes, vars, r2_buckets, d1_databases, queues } = env.production
  return {
    // Wrangler puts the environment behind the name.
    worker: `${name}-production`,
    host: vars.BASE_DOMAIN === placeholder.host ? undefined : vars.BASE_DOMAIN,
    zone: routes?.find(({ zone_name }) => zone_name !== undefined)?.zone_name,
    buckets: r2_buckets.map(({ bucket_name, jurisdiction }) => ({ name: bucket_name, jurisdiction })),
    databases: d1_databases.map(({ binding, database_name, database_id }) => ({
      binding,
      name: database_name,
      id: database_id === placeholder.databaseId ? undefined : database_id,
      jurisdiction: jurisdictionOf(binding),
    })),
    queues: queues.consumers.map(({ queue }) => queue),
  }
}

export interface Deployment {
  host: string
  /** The Cloudflare zone that the host is in; null for a host on workers.dev, which needs no routes. */
  zone: string | null
  /** Ids of databases by their bindings. */
  databaseIds: ReadonlyMap<string, string>
}

/**
 * Gives the text of wrangler.toml with the host, its routes and the ids of the databases in `[env.production]`. Comments
 * and layout stay, and so do routes that somebody has added for this host. A text that says it all already comes back as
 * it was.
 */
export function writeProduction(text: string, { host, zone, databaseIds }: Deployment): string {
  const configuration = parseConfiguration(text)
  const { production } = configuration.env
  production.vars.BASE_DOMAIN = host
  for (const database of production.d1_databases) {
    database.database_id = databaseIds.get(database.binding) ?? database.database_id
  }
  if (zone === null) delete production.routes
  else if (!production.routes?.some(({ pattern }) => pattern === host)) {
    production.routes = [
      { pattern: host, custom_domain: true },
      { pattern: `*.${host}/*`, zone_name: zone },
    ]
  }
  return patch(text, configuration)
}

/** Whether a host is one of those that Cloudflare gives to each account, in a zone of its own. */
export const isWorkersDev = (host: string) => host.endsWith('.workers.dev')

/** The jurisdiction in a binding's name, such as `eu` in `DB_EU`. */
function jurisdictionOf(binding: string): string | undefined {
  return /_(EU|FEDRAMP)$/.exec(binding)?.[1]?.toLowerCase()
}

function parseConfiguration(text: string): z.infer<typeof shape> {
  const parsed = shape.safeParse(parseToml(text))
  if (parsed.success) return parsed.data
  throw new Failure(`wrangler.toml is not as this setup needs it:\n${z.prettifyError(parsed.error)}`)
}

function parseToml(text: string): unknown {
  try {
    return parse(text)
  } catch (error) {
    throw new Failure(`wrangler.toml is no TOML: ${error instanceof Error ? error.message : error}`, { cause: error })
  }
}
