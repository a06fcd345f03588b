import { maxQueueDelaySeconds, publishIntervalSeconds } from '../../core/backoff.ts'
import { judgeCallbackUrl } from '../../core/callback-url.ts'
import type { Domain } from '../../core/domain.ts'
import type { Job } from '../../core/job.ts'
import { judgeOutboundUrl, type OutboundRules } from '../../core/outbound-url.ts'
import type { Clock, JobQueue, Journal, Log, PostOutcome, PostSigned } from '../../core/ports.ts'
import { deliveryLeaseSeconds, nextAttemptSeconds } from '../../core/webhook.ts'
import type { Database } from '../../db/database.ts'
import { findContext } from '../../db/webhooks/deliveries.ts'
import type { Delivery } from '../../db/webhooks/delivery-rows.ts'
import type { Endpoint } from '../../db/webhooks/endpoints.ts'
import { type AttemptEnd, disableEndpoint, settleAttempt } from '../../db/webhooks/finish.ts'
import { leaseDelivery, postponeDelivery } from '../../db/webhooks/lease.ts'
import { publishJobs } from '../publish-jobs.ts'
import { domainSecrets } from './callback-secret.ts'
import { secretsInForce } from './secrets.ts'
import { webhookMessage } from './webhook-message.ts'

export interface DeliverParts {
  db: Database
  queue: JobQueue
  directory: { byId(id: string): Promise<Domain | null> }
  postSigned: PostSigned
  journal: Pick<Journal, 'note' | 'join'>
  outboundRules: OutboundRules
  /** Seconds from each failed attempt to the next. */
  retrySchedule: readonly number[]
  /** The most deliveries of one domain at once; null where the queue sees to that. */
  maxRunning: number | null
  now: Clock
  /** 0 … 1, for spreading retries. */
  random(): number
  log: Log
}

/** What a job came to, as with `JobOutcome`. `refused`: its receiver, or its address, is no good for ever. */
export type DeliveryOutcome = 'delivered' | 'retry' | 'failed' | 'refused' | 'postponed' | 'nothing-to-do'

/** An answer that says that nothing more is wanted (Standard Webhooks 1.0, "Delivery success and failure"). */
const gone = 410

/**
 * Sends a delivery once. Whoever holds the lease sends, and only who still holds it writes what came of it; a worker that
 * dies in between has perhaps sent it, so that it is sent again under the same id. Throws only when the row itself can't
 * be reached.
 */
export async function deliverWebhook(job: Job, parts: DeliverParts): Promise<DeliveryOutcome> {
  const { db, directory, now, maxRunning, retrySchedule } = parts
  // A domain that is deleted tells nobody anything; taken back, it goes on.
  const domain = await directory.byId(job.domainId)
  if (!domain) return 'nothing-to-do'
  const maxAttempts = retrySchedule.length + 1
  const terms = { now: now(), leaseMs: deliveryLeaseSeconds * 1000, maxAttempts, maxRunning }
  const delivery = await leaseDelivery(db, job, terms)
  if (delivery) return send(delivery, domain, parts)
  if (maxRunning === null) return 'nothing-to-do'
  const publishAt = now() + publishIntervalSeconds(1) * 1000
  return (await postponeDelivery(db, job, { ...terms, maxRunning }, publishAt)) ? 'postponed' : 'nothing-to-do'
}

/** Makes one attempt of a leased delivery, and ends it. */
async function send(delivery: Delivery, domain: Domain, parts: DeliverParts): Promise<DeliveryOutcome> {
  const { db, now, log } = parts
  const context = await findContext(db, delivery)
  const { endpoint, file } = context
  if (file) parts.journal.join(file.trace)
  parts.journal.note({ attempt: delivery.attempts, ...(delivery.fileId === null ? {} : { uploadId: delivery.fileId }) })
  const { callbackHosts } = domain.policy
  const outcome = await attempt(delivery, endpoint, webhookMessage(delivery, context, domain), {
    ...parts,
    callbackHosts,
  })
  const end = endOf(delivery, outcome, parts)
  const result = {
    at: now(),
    responseStatus: outcome.kind === 'answered' ? outcome.status : null,
    responseBody: outcome.kind === 'answered' ? outcome.body : null,
    error: outcome.kind === 'answered' ? null : outcome.reason,
    durationMs: outcome.durationMs,
  }
  // First, since a worker that died between the two would leave an endpoint enabled that wants nothing.
  if (endpoint && result.responseStatus === gone) await disable(endpoint, 'gone', parts)
  const settled = await settleAttempt(db, delivery, result, end)
  await publishJobs(parts, settled.others)
  if ('status' in end) {
    if (end.status === 'failed')
      log('warn', 'webhook-not-delivered', { deliveryId: delivery.id, endpointId: endpoint?.id })
  } else if (settled.retry) {
    const delaySeconds = Math.ceil((end.retryAt - result.at) / 1000)
    // A longer wait than a queue is trusted with stays in the row, and the reconciler publishes it when it is due.
    if (delaySeconds <= maxQueueDelaySeconds) await publishJobs(parts, [settled.retry], { delaySeconds })
  }
  if (endpoint && settled.hasFailedTooLong && !isDelivered(outcome)) await disable(endpoint, 'failing', parts)
  if ('status' in end)
    return end.status === 'delivered' ? 'delivered' : outcome.kind === 'refused' ? 'refused' : 'failed'
  return 'retry'
}

/** `refused`: there is nothing that could be sent, or nowhere where it may be. */
type AttemptOutcome = PostOutcome | { kind: 'refused'; reason: string; durationMs: number }

async function attempt(
  delivery: Delivery,
  endpoint: Endpoint | undefined,
  body: string | null,
  parts: DeliverParts & { callbackHosts: readonly string[] },
): Promise<AttemptOutcome> {
  const { db, now, outboundRules, postSigned, callbackHosts } = parts
  const refused = (reason: string): AttemptOutcome => ({ kind: 'refused', reason, durationMs: 0 })
  if (body === null) return refused('The upload and its history are forgotten.')
  // Judged again: what was good when it was written down may not be any more.
  const verdict =
    delivery.callbackUrl === null
      ? judgeOutboundUrl(endpoint?.url ?? '', outboundRules)
      : judgeCallbackUrl(delivery.callbackUrl, callbackHosts, outboundRules)
  if (!verdict.ok) return refused(verdict.reason)
  const secrets = endpoint ? secretsInForce(endpoint, now()) : await domainSecrets(db, delivery.domainId, now())
  return postSigned({ url: verdict.url, id: delivery.id, body, secrets })
}

function isDelivered(outcome: AttemptOutcome): boolean {
  return outcome.kind === 'answered' && outcome.status >= 200 && outcome.status < 300
}

function endOf(
  delivery: Delivery,
  outcome: AttemptOutcome,
  { now, random, retrySchedule }: Pick<DeliverParts, 'now' | 'random' | 'retrySchedule'>,
): AttemptEnd {
  if (isDelivered(outcome)) return { status: 'delivered' }
  const isFinal = outcome.kind === 'refused' || (outcome.kind === 'answered' && outcome.status === gone)
  const asked = outcome.kind === 'answered' ? outcome.retryAfterSeconds : null
  const seconds = isFinal ? null : nextAttemptSeconds(retrySchedule, delivery.attempts, asked, random())
  if (seconds === null) return { status: 'failed' }
  const retryAt = now() + seconds * 1000
  const isQueued = seconds <= maxQueueDelaySeconds
  return { retryAt, publishAgainAt: isQueued ? retryAt + publishIntervalSeconds(1) * 1000 : retryAt }
}

async function disable(endpoint: Endpoint, reason: 'gone' | 'failing', parts: DeliverParts): Promise<void> {
  const { db, now, log } = parts
  const jobs = await disableEndpoint(db, endpoint, reason, now())
  if (!jobs) return
  log('warn', 'webhook-disabled', { endpointId: endpoint.id, domainId: endpoint.domainId, reason })
  await publishJobs(parts, jobs)
}
