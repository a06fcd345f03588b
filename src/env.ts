import { z } from 'zod'
import { developmentAdminToken } from './core/development.ts'
import { Misconfigured } from './core/errors.ts'
import { parseHost } from './core/host.ts'
import type { Job } from './core/job.ts'
import { logLevels } from './core/log-line.ts'
import { parseAddress } from './core/socket-address.ts'

const secret = z.string().min(1)
const bucket = z.custom<R2Bucket>((value) => typeof value === 'object' && value !== null, 'the R2 binding is missing')
const database = z.custom<D1Database>(
  (value) => typeof value === 'object' && value !== null,
  'the D1 binding is missing',
)

/** What tokens are signed with in development when nothing else is set; it is refused everywhere else. */
const developmentSigningSecret = 'dev-signing-secret-for-this-machine-only'

/** Where ClamAV's daemon listens unless its address says otherwise. */
const clamdPort = 3310

/** HS256 asks for a key of at least 256 bits (RFC 7518 §3.2). */
const signingSecret = z.string().min(32)

/** Everything the Worker is given from outside. `docs/configuration.md` describes each for operators. */
const envSchema = z
  .object({
    BUCKET: bucket,
    DB: database,
    /** For domains whose data must stay in the European Union. */
    BUCKET_EU: bucket.optional(),
    DB_EU: database.optional(),
    /** The same for FedRAMP. */
    BUCKET_FEDRAMP: bucket.optional(),
    DB_FEDRAMP: database.optional(),
    JOBS: z
      .custom<Queue<Job>>((value) => typeof value === 'object' && value !== null, 'the Queues binding is missing')
      .optional(),
    RATE_LIMITS: z
      .custom<Cloudflare.Env['RATE_LIMITS']>(
        (value) => typeof value === 'object' && value !== null,
        'the Durable Object binding is missing',
      )
      .optional(),
    WATCHERS: z.custom<Cloudflare.Env['WATCHERS']>(
      (value) => typeof value === 'object' && value !== null,
      'the Durable Object binding is missing',
    ),
    /** Where what all isolates have counted comes together; without it `/metrics` shows only what the databases know. */
    TOTALS: z
      .custom<Cloudflare.Env['TOTALS']>(
        (value) => typeof value === 'object' && value !== null,
        'the Durable Object binding is missing',
      )
      .optional(),
    /** Gets a data point of each request and job. */
    METRICS: z
      .custom<AnalyticsEngineDataset>(
        (value) => typeof value === 'object' && value !== null,
        'the Analytics Engine binding is missing',
      )
      .optional(),
    /** Makes the pictures of the step `image`; without it no policy can ask for that. */
    IMAGES: z
      .custom<ImagesBinding>((value) => typeof value === 'object' && value !== null, 'the Images binding is missing')
      .optional(),
    UPLOAD_SESSIONS: z.custom<Cloudflare.Env['UPLOAD_SESSIONS']>(
      (value) => typeof value === 'object' && value !== null,
      'the Durable Object binding is missing',
    ),
    /** The files of the web console. Without it there is no console. */
    ASSETS: z
      .custom<Fetcher>((value) => typeof value === 'object' && value !== null, 'the static assets binding is missing')
      .optional(),
    /** For how many hours a resumable upload may be gone on with: six days at most, since R2 ends it after seven. */
    RESUMABLE_HOURS: z.coerce.number().int().min(1).max(144).default(24),
    /** `development` opens what a developer needs on his own machine; set by the scripts of this project and the tests. */
    MODE: z.enum(['production', 'development']).default('production'),
    /** What is written to the log: lines of this level and above. */
    LOG_LEVEL: z.enum(logLevels).default('info'),
    /** For how many seconds an isolate keeps to itself what it has counted; it has 30 after an answer. */
    METRICS_GATHER_SECONDS: z.coerce.number().min(0).max(20).default(5),
    /** Development only: how far ahead of the time the reconciler and the leases are, in seconds. */
    CLOCK_OFFSET_SECONDS: z.coerce.number().int().min(0).default(0),
    /** Development only: the seconds from each failed attempt of a webhook to the next, such as `1,2,5`. */
    WEBHOOK_RETRY_SECONDS: z
      .string()
      .regex(/^\d{1,6}(,\d{1,6})*$/, 'is no list of seconds such as 1,2,5')
      .transform((text) => text.split(',').map(Number))
      .optional(),
    /** The apex host: administration, and `<slug>.<BASE_DOMAIN>` for each domain. */
    BASE_DOMAIN: z.string().transform((text, context) => {
      const host = parseHost(text)
      if (host === null) context.addIssue({ code: 'custom', message: 'is no hostname' })
      return host ?? z.NEVER
    }),
    /** The administrator's bearer token. Without it nobody is administrator. */
    ADMIN_TOKEN: z.string().min(12).optional(),
    /** Signs upload tokens, read tokens and download links. Without it none is made. */
    SIGNING_SECRET: signingSecret.optional(),
    /** What `SIGNING_SECRET` was before: what it has signed stays good. */
    SIGNING_SECRET_PREVIOUS: signingSecret.optional(),
    /** For how many days a deleted domain can be taken back. */
    DOMAIN_GRACE_DAYS: z.coerce.number().int().min(0).max(365).default(7),
    /** Where ClamAV's daemon listens, `host` or `host:port`. Without it no policy can ask for a scan. */
    CLAMD_HOST: z
      .string()
      .transform((text, context) => {
        const address = parseAddress(text, clamdPort)
        if (!address) context.addIssue({ code: 'custom', message: 'is no address such as clamd.example.com:3310' })
        return address ?? z.NEVER
      })
      .optional(),
    /** How long one scan may take, from the first byte to the verdict. */
    CLAMD_TIMEOUT_SECONDS: z.coerce.number().min(1).max(600).default(300),
    /** Where hostnames' TXT records are looked up: a resolver that speaks the JSON form of DNS over HTTPS. */
    DNS_OVER_HTTPS_URL: z.url({ protocol: /^https?$/ }).default('https://cloudflare-dns.com/dns-query'),
    /** The origin at which QStash reaches this deployment. */
    CALLBACK_URL: z.url({ protocol: /^https?$/ }).optional(),
    QSTASH_TOKEN: secret.optional(),
    QSTASH_URL: z.url().optional(),
    QSTASH_CURRENT_SIGNING_KEY: secret.optional(),
    QSTASH_NEXT_SIGNING_KEY: secret.optional(),
    /** Requests are counted in this Redis, and jobs go through it when QStash is not configured. */
    UPSTASH_REDIS_REST_URL: z.url().optional(),
    UPSTASH_REDIS_REST_TOKEN: secret.optional(),
  })
  .superRefine((env, context) => {
    const refuse = (name: string, message: string) => context.addIssue({ code: 'custom', path: [name], message })
    if (env.MODE === 'production' && env.ADMIN_TOKEN === developmentAdminToken)
      refuse('ADMIN_TOKEN', 'is the one for development')
    for (const name of ['SIGNING_SECRET', 'SIGNING_SECRET_PREVIOUS'] as const) {
      if (env.MODE === 'production' && env[name] === developmentSigningSecret)
        refuse(name, 'is the one for development')
    }
    if (env.MODE === 'production' && env.CLOCK_OFFSET_SECONDS > 0) refuse('CLOCK_OFFSET_SECONDS', 'is for development')
    if (env.MODE === 'production' && env.WEBHOOK_RETRY_SECONDS) refuse('WEBHOOK_RETRY_SECONDS', 'is for development')
    for (const name of ['EU', 'FEDRAMP'] as const) {
      if (!env[`DB_${name}`] !== !env[`BUCKET_${name}`]) refuse(`DB_${name}`, `and BUCKET_${name} are needed together`)
    }
    if (env.QSTASH_TOKEN) {
      for (const name of ['CALLBACK_URL', 'QSTASH_CURRENT_SIGNING_KEY', 'QSTASH_NEXT_SIGNING_KEY'] as const) {
        if (!env[name]) refuse(name, 'is needed with QSTASH_TOKEN')
      }
    } else if (!env.UPSTASH_REDIS_REST_URL && !env.JOBS) {
      refuse('JOBS', 'or QSTASH_TOKEN or UPSTASH_REDIS_REST_URL is needed: there is no queue')
    }
    if (env.UPSTASH_REDIS_REST_URL) {
      if (!env.UPSTASH_REDIS_REST_TOKEN) refuse('UPSTASH_REDIS_REST_TOKEN', 'is needed with UPSTASH_REDIS_REST_URL')
    } else if (!env.RATE_LIMITS) {
      refuse('RATE_LIMITS', 'or UPSTASH_REDIS_REST_URL is needed: there is nothing to count requests in')
    }
  })
  .transform((env) =>
    env.MODE === 'development' ? { ...env, SIGNING_SECRET: env.SIGNING_SECRET ?? developmentSigningSecret } : env,
  )

export type Env = z.infer<typeof envSchema>

let parsed: { from: unknown; env: Env } | undefined

/** The environment, checked. It is the same object for an isolate's whole life, so it is checked once. */
export function parseEnv(from: unknown): Env {
  if (parsed && parsed.from === from) return parsed.env
  const result = envSchema.safeParse(from)
  if (!result.success) {
    throw new Misconfigured(result.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`).join('; '))
  }
  parsed = { from, env: result.data }
  return result.data
}
