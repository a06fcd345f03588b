import { v7 as uuidv7 } from 'uuid'
import { Refusal } from '../../core/errors.ts'
import { judgeOutboundUrl, type OutboundRules } from '../../core/outbound-url.ts'
import type { Clock } from '../../core/ports.ts'
import { maxEndpoints, type WebhookEventType } from '../../core/webhook.ts'
import type { Database } from '../../db/database.ts'
import {
  changeEndpoint as changeRow,
  deleteEndpoint as deleteRow,
  type Endpoint,
  type EndpointChange,
  findEndpoint as findRow,
  insertEndpoint,
  listEndpoints as listRows,
  rotateEndpointSecret,
} from '../../db/webhooks/endpoints.ts'
import { makeSecret, previousUntil } from './secrets.ts'
import { endQuiet, type TellParts } from './tell-webhooks.ts'

export interface EndpointParts extends Pick<TellParts, 'quietDomains'> {
  db: Database
  outboundRules: OutboundRules
  now: Clock
}

/** An endpoint as somebody wants it. */
export interface WantedEndpoint {
  url: string
  events: WebhookEventType[]
  description: string
  enabled: boolean
}

/**
 * Makes an endpoint with a secret of its own; it gets what happens from now on. Throws `url-not-allowed` with the reason,
 * and `limit-reached`.
 */
export async function createEndpoint(
  parts: EndpointParts,
  domainId: string,
  { url, enabled, ...wanted }: WantedEndpoint,
): Promise<Endpoint> {
  const createdAt = parts.now()
  const endpoint: Endpoint = {
    ...wanted,
    id: uuidv7(),
    domainId,
    url: requireUrl(url, parts.outboundRules),
    secret: makeSecret(),
    previousSecret: null,
    previousSecretUntil: null,
    failingSince: null,
    disabledAt: enabled ? null : createdAt,
    disabledReason: enabled ? null : 'manual',
    createdAt,
  }
  if (!(await insertEndpoint(parts.db, endpoint, maxEndpoints))) {
    throw new Refusal('limit-reached', `A domain has ${maxEndpoints} webhook endpoints at most. Delete one first.`, {
      facts: { limit: maxEndpoints },
    })
  }
  endQuiet(parts, domainId)
  return endpoint
}

/** The endpoints of a domain in the order in which they were made. */
export function listEndpoints(db: Database, domainId: string): Promise<Endpoint[]> {
  return listRows(db, domainId)
}

/** Throws `webhook-not-found`. */
export async function findEndpoint(db: Database, domainId: string, id: string): Promise<Endpoint> {
  return requireFound(await findRow(db, domainId, id))
}

/** Changes what is given of an endpoint. Throws `webhook-not-found` and `url-not-allowed`. */
export async function changeEndpoint(
  { db, outboundRules, now }: EndpointParts,
  domainId: string,
  id: string,
  change: EndpointChange,
): Promise<Endpoint> {
  const url = change.url === undefined ? undefined : requireUrl(change.url, outboundRules)
  return requireFound(await changeRow(db, domainId, id, { ...change, url }, now()))
}

/** Gives an endpoint a new secret; the one before it signs as well for a day. Throws `webhook-not-found`. */
export async function rotateSecret(
  { db, now }: Pick<EndpointParts, 'db' | 'now'>,
  domainId: string,
  id: string,
): Promise<Endpoint> {
  return requireFound(await rotateEndpointSecret(db, domainId, id, makeSecret(), previousUntil(now())))
}

/** Nothing is sent to it from now on. Throws `webhook-not-found`. */
export async function deleteEndpoint(db: Database, domainId: string, id: string): Promise<void> {
  if (!(await deleteRow(db, domainId, id))) throw endpointNotFound()
}

export function endpointNotFound(): Refusal {
  return new Refusal('webhook-not-found', 'This domain has no webhook endpoint with this id.')
}

function requireFound(endpoint: Endpoint | undefined): Endpoint {
  if (endpoint) return endpoint
  throw endpointNotFound()
}

function requireUrl(text: string, rules: OutboundRules): string {
  const verdict = judgeOutboundUrl(text, rules)
  if (verdict.ok) return verdict.url
  throw new Refusal('url-not-allowed', verdict.reason, { facts: { url: text.slice(0, 2000) } })
}
