import { call, type Scope, StevedoreError } from './api.ts'

/** What the console asks and tells of domains: the calls below `/v1/domains` and `/v1/admin`, and what they answer. */

export type Policy = Readonly<Record<string, unknown>>

export interface Domain {
  id: string
  slug: string
  hostnames: Hostname[]
  jurisdiction: string | null
  /** In force. */
  policy: Policy
  administratorPolicy: Policy
  /** The fields that the manager has set, and no others. */
  managerPolicy: Policy
  suspendedAt: string | null
  deletedAt: string | null
  stored: { files: number; bytes: number }
  createdAt: string
}

export interface Hostname {
  hostname: string
  status: 'active' | 'pending'
  /** The DNS record that proves that it is the domain's. */
  record: { name: string; type: string; value: string }
  createdAt: string
}

export const scopes: readonly Scope[] = ['upload', 'read', 'delete', 'manage']

export interface ApiKey {
  id: string
  label: string
  scopes: Scope[]
  createdAt: string
  expiresAt: string | null
  lastUsedAt: string | null
}

export interface Usage {
  files: number
  bytes: number
  uploadsThisMonth: number
  quotaFiles: number | null
  quotaBytes: number | null
}

export interface DailyUsage {
  /** As `2026-11-22`, UTC. */
  date: string
  files: number
  bytes: number
}

export interface WebhookEndpoint {
  id: string
  url: string
  events: string[]
  description: string
  enabled: boolean
  disabledAt: string | null
  disabledReason: 'manual' | 'gone' | 'failing' | null
  failingSince: string | null
  previousSecretUntil: string | null
}

export type DeliveryStatus = 'waiting' | 'delivered' | 'failed' | 'cancelled'

export interface Delivery {
  id: string
  endpointId: string | null
  callbackUrl: string | null
  type: string
  uploadId: string | null
  status: DeliveryStatus
  round: number
  attempts: number
  nextAttemptAt: string | null
  lastAttempt: {
    at: string
    responseStatus: number | null
    responseBody: string | null
    error: string | null
    durationMs: number
  } | null
  createdAt: string
}

export interface CallbackSecret {
  createdAt: string | null
  previousSecretUntil: string | null
}

export interface DeadLetter {
  id: string
  kind: string
  rowId: string
  domainId: string
  generation: number
  reason: string
  createdAt: string
}

/** One page of a list. */
export interface Page<Item> {
  items: Item[]
  /** Null: there is no more. */
  nextCursor: string | null
}

type Query = Record<string, string | number | undefined>

/** The address of something of a domain: `at('acme', 'keys', id)`. */
export function at(slug: string, ...rest: readonly string[]): string {
  return ['/v1/domains', ...[slug, ...rest].map(encodeURIComponent)].join('/')
}

export function ask<Answer>(path: string, { query, signal }: { query?: Query; signal?: AbortSignal } = {}) {
  return call<Answer>('GET', path, { ...(query && { query }), ...(signal && { signal }) })
}

/** Sends a change. Throws what the server refuses it with: see `problemsOf`. */
export function tell<Answer = void>(method: 'POST' | 'PATCH' | 'DELETE', path: string, body?: unknown) {
  return call<Answer>(method, path, body === undefined ? {} : { json: body })
}

/** One page of what stands in an answer under this name. */
export async function askPage<Item>(
  path: string,
  name: string,
  { query = {}, cursor, signal }: { query?: Query; cursor?: string | undefined; signal?: AbortSignal } = {},
): Promise<Page<Item>> {
  const answer = await ask<{ nextCursor: string | null } & Record<string, unknown>>(path, {
    query: { ...query, cursor },
    ...(signal && { signal }),
  })
  return { items: answer[name] as Item[], nextCursor: answer.nextCursor }
}

/** What the server found wrong with what was sent, by where in it: `policy.steps.0.step`. */
export type Problems = ReadonlyMap<string, string>

export const noProblems: Problems = new Map()

/**
 * What a refusal says of single fields. The server lists each with its place; where it says but one thing, it names the
 * field by a fact of that name, which is looked for among `fields`.
 */
export function problemsOf(error: unknown, fields: readonly string[] = []): Problems {
  if (!(error instanceof StevedoreError)) return noProblems
  const { problems } = error.problem
  if (Array.isArray(problems))
    return new Map(problems.map(({ at, message }) => [String(at).replace(/^json\./, ''), message]))
  const field = fields.find((name) => name in error.problem)
  return field === undefined ? noProblems : new Map([[field, error.message]])
}
