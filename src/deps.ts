import { type BuiltQueue, buildCallbacks, buildQueue, type CallbackGuard } from './build-queue.ts'
import { ClamdScanner } from './clamav/clamd-scanner.ts'
import { dataPointOf } from './core/data-point.ts'
import type { Domain } from './core/domain.ts'
import type { Tally } from './core/figures.ts'
import { type Jurisdiction, jurisdictions, type Located } from './core/jurisdiction.ts'
import type { OutboundRules } from './core/outbound-url.ts'
import type { Clock, Journal, Log, PostSigned, RateLimiter, Report, TxtLookup, Watchers } from './core/ports.ts'
import { TimedCache } from './core/timed-cache.ts'
import { attemptTimeoutSeconds, keptAnswerBytes, retrySchedule } from './core/webhook.ts'
import type { ApiKey } from './db/api-keys.ts'
import { type Database, openDatabase } from './db/database.ts'
import { dnsOverHttps } from './dns/dns-over-https.ts'
import { type Env, parseEnv } from './env.ts'
import { CloudflareImages } from './images/cloudflare-images.ts'
import { BufferPool } from './ingest/buffer-pool.ts'
import { journal, meter, workIds } from './journal.ts'
import { DurableRateLimiter } from './limits/durable.ts'
import { UpstashRateLimiter } from './limits/upstash.ts'
import { DurableWatchers } from './live/durable-watchers.ts'
import { logFrom } from './log.ts'
import { IsolateFigures } from './metrics/isolate-figures.ts'
import { signedPost } from './outbound/signed-post.ts'
import type { HttpStepParts } from './processing/http.ts'
import type { Steps } from './processing/step.ts'
import { buildSteps } from './processing/steps.ts'
import { Sessions } from './resumable/sessions.ts'
import { DomainDirectory } from './services/domain-directory.ts'
import { inviteProcessor } from './services/invite-processor.ts'
import { type DomainPlace, findPlace, type Place, placeFor } from './services/place.ts'
import type { SigningSecrets } from './services/tokens/signed-token.ts'
import { domainSecrets } from './services/webhooks/callback-secret.ts'
import { ObjectStorage } from './storage/object-storage.ts'

/** How long an isolate may go on with what it knows of a domain or a key. */
const cacheMs = 30_000

/** A domain never moves; this only bounds how much is remembered of those that nobody uses. */
const placeCacheMs = 24 * 3600_000

// What all requests of an isolate share: memory, and knowledge that may be 30 seconds old. Nothing here belongs to one.
const pool = new BufferPool()
const domainCache = new TimedCache<Domain>(cacheMs)
const keyCache = new TimedCache<ApiKey>(cacheMs)
const quietDomains = new TimedCache<string>(cacheMs)

/** Everything one invocation works with, built from its environment in one place. */
export interface Deps extends BuiltQueue {
  env: Env
  control: Database
  databaseFor(domain: Located): Database
  storageFor(domain: Located): ObjectStorage
  /** Every database that holds files, with its bucket: what the reconciler visits. */
  places: readonly Place[]
  /** Where the domain with this id has its data; null when there is none. */
  placeOf(domainId: string): Promise<DomainPlace | null>
  /** Null unless QStash is the queue. */
  callbacks: CallbackGuard | null
  directory: DomainDirectory
  rateLimiter: RateLimiter
  watchers: Watchers
  keyCache: TimedCache<ApiKey>
  signingSecrets: SigningSecrets
  /** Uploads that come in over several requests. */
  sessions: Sessions
  /** For how long each of them may be gone on with. */
  sessionMs: number
  /** Domains that were found to tell nobody what happens in them. */
  quietDomains: TimedCache<string>
  postSigned: PostSigned
  /** Which URLs of others may be called. */
  outboundRules: OutboundRules
  /** Seconds from each failed attempt of a delivery to the next. */
  retrySchedule: readonly number[]
  /** The deployment's own host. */
  baseDomain: string
  /** For how long a deleted domain can be taken back. */
  domainGraceMs: number
  /** Looks up what proves a hostname to be a domain's. */
  lookUpTxt: TxtLookup
  pool: BufferPool
  steps: Steps
  now(): number
  random(): number
  log: Log
  journal: Journal
  report: Report
  /** Tells the totals what this isolate has counted, where no request does. Never throws. */
  tellFigures(): Promise<void>
  /** What all isolates have counted; null where that is not gathered. */
  readTotals(): Promise<Tally | null>
  defer(promise: Promise<unknown>): void
}

/**
 * Throws `Misconfigured` when the environment is not complete. `replace` gives parts in place of those that the
 * environment makes, such as a test's clock; the queue and its drain then work with them as well.
 */
export function buildDeps(
  from: unknown,
  context: { waitUntil(promise: Promise<unknown>): void },
  replace?: (adapters: Adapters) => Partial<Adapters>,
): Deps {
  const env = parseEnv(from)
  const adapters = shared.get(env) ?? buildAdapters(env)
  const parts = {
    ...adapters,
    ...replace?.(adapters),
    defer: (promise: Promise<unknown>) => {
      journal.outlive(promise)
      context.waitUntil(promise)
    },
  }
  const watchers = new DurableWatchers({
    objects: env.WATCHERS,
    isLocal: env.MODE === 'development',
    locate: parts.placeOf,
    log: parts.log,
    defer: parts.defer,
  })
  const outlive = (promise: Promise<unknown>) => context.waitUntil(promise)
  const report: Report = (record) => {
    env.METRICS?.writeDataPoint(dataPointOf(record))
    parts.figures.count(record, outlive)
  }
  const deps = { ...parts, watchers, report, tellFigures: () => parts.figures.flush() }
  return { ...deps, ...buildQueue(deps, { meter, outlive }) }
}

type Adapters = Omit<Deps, keyof BuiltQueue | 'defer' | 'watchers' | 'report' | 'tellFigures'> & {
  figures: Pick<IsolateFigures, 'count' | 'flush'>
}

/** Adapters by environment: they hold bindings and configuration, and nothing of a request. */
const shared = new WeakMap<Env, Adapters>()

function buildAdapters(env: Env): Adapters {
  const control = openDatabase(env.DB, meter)
  const places = buildPlaces(env, control)
  const databaseFor = (domain: Located) => placeFor(places, domain).db
  const now = () => Date.now() + env.CLOCK_OFFSET_SECONDS * 1000
  const baseDomain = env.BASE_DOMAIN
  const placeCache = new TimedCache<DomainPlace>(placeCacheMs)
  const directory = new DomainDirectory({ control, baseDomain, databaseFor, cache: domainCache, now })
  const log = logFrom(env.LOG_LEVEL, workIds)
  const figures = new IsolateFigures({
    objects: env.TOTALS ?? null,
    gatherMs: env.METRICS_GATHER_SECONDS * 1000,
    log,
  })
  const adapters = {
    env,
    control,
    databaseFor,
    storageFor: (domain: Located) => placeFor(places, domain).storage,
    places,
    placeOf: (domainId: string) => findPlace({ control, places, cache: placeCache, now }, domainId),
    callbacks: buildCallbacks(env),
    directory,
    rateLimiter: buildRateLimiter(env, now),
    keyCache,
    signingSecrets: signingSecretsOf(env),
    sessions: new Sessions(env.UPLOAD_SESSIONS, { keepsPlaces: env.MODE === 'production', journal }),
    sessionMs: env.RESUMABLE_HOURS * 3600_000,
    quietDomains,
    postSigned: signedPost({
      timeoutMs: attemptTimeoutSeconds * 1000,
      mostAnswerBytes: keptAnswerBytes,
      meter,
      journal,
    }),
    outboundRules: outboundRulesOf(env),
    retrySchedule: env.WEBHOOK_RETRY_SECONDS ?? retrySchedule,
    baseDomain,
    domainGraceMs: env.DOMAIN_GRACE_DAYS * 24 * 3600_000,
    lookUpTxt: dnsOverHttps(env.DNS_OVER_HTTPS_URL),
    pool,
    steps: buildSteps({
      pictures: env.IMAGES ? new CloudflareImages(env.IMAGES) : null,
      scanner: env.CLAMD_HOST ? new ClamdScanner(env.CLAMD_HOST, env.CLAMD_TIMEOUT_SECONDS * 1000) : null,
      http: buildHttpParts(env, { directory, databaseFor, now }),
    }),
    now,
    random: Math.random,
    log,
    journal,
    figures,
    readTotals: () => figures.read(),
  }
  shared.set(env, adapters)
  return adapters
}

function signingSecretsOf({ SIGNING_SECRET, SIGNING_SECRET_PREVIOUS }: Env): SigningSecrets {
  return { current: SIGNING_SECRET, previous: SIGNING_SECRET_PREVIOUS }
}

function outboundRulesOf(env: Env): OutboundRules {
  return { allowsLocal: env.MODE === 'development', baseDomain: env.BASE_DOMAIN }
}

/** Processors outside are told where to read and where to answer, so this deployment has to know where it is. */
function buildHttpParts(
  env: Env,
  { directory, databaseFor, now }: { directory: DomainDirectory; databaseFor: Deps['databaseFor']; now: Clock },
): HttpStepParts {
  const parts = {
    findDomain: (id: string) => directory.byId(id),
    secretsOf: (domain: Domain) => domainSecrets(databaseFor(domain), domain.id, now()),
    signingSecrets: signingSecretsOf(env),
    origin: env.CALLBACK_URL ?? '',
    now,
  }
  return {
    post: signedPost({ timeoutMs: 30_000, mostAnswerBytes: 64 * 1024, meter, journal }),
    rules: outboundRulesOf(env),
    invite: (question) => inviteProcessor(parts, question),
    unavailable:
      env.CALLBACK_URL && env.SIGNING_SECRET
        ? undefined
        : 'needs CALLBACK_URL and SIGNING_SECRET, which its operator has not both configured',
  }
}

/** Redis when its URL is set, else a Durable Object for each domain. */
function buildRateLimiter(env: Env, now: Clock): RateLimiter {
  const { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token, RATE_LIMITS } = env
  if (url && token) return new UpstashRateLimiter({ url, token })
  return new DurableRateLimiter(RATE_LIMITS as NonNullable<Env['RATE_LIMITS']>, now)
}

/** The deployment's own place, and one for each jurisdiction that has its bindings. */
function buildPlaces(env: Env, control: Database): Place[] {
  const bindings: Record<Jurisdiction, { db: D1Database | undefined; bucket: R2Bucket | undefined }> = {
    eu: { db: env.DB_EU, bucket: env.BUCKET_EU },
    fedramp: { db: env.DB_FEDRAMP, bucket: env.BUCKET_FEDRAMP },
  }
  const places: Place[] = [{ jurisdiction: null, db: control, storage: new ObjectStorage(env.BUCKET, meter) }]
  for (const jurisdiction of jurisdictions) {
    const { db, bucket } = bindings[jurisdiction]
    if (db && bucket)
      places.push({ jurisdiction, db: openDatabase(db, meter), storage: new ObjectStorage(bucket, meter) })
  }
  return places
}
