/** What may be told of an upload: each is an event of its history, named for the status that it has reached. */
export const uploadEventTypes = [
  'upload.pending',
  'upload.processing',
  'upload.complete',
  'upload.failed',
  'upload.quarantined',
  'upload.deleted',
] as const

/** What an endpoint may ask for. `webhook.disabled`: another endpoint of the domain was disabled because it failed. */
export const webhookEventTypes = [...uploadEventTypes, 'webhook.disabled'] as const
export type WebhookEventType = (typeof webhookEventTypes)[number]

/** What an endpoint gets that asks for nothing in particular: how each upload ends. */
export const defaultEventTypes = [
  'upload.complete',
  'upload.failed',
  'upload.quarantined',
] as const satisfies readonly WebhookEventType[]

/** What a test of an endpoint sends, whatever it has asked for. */
export const testEventType = 'webhook.test'

/** The most endpoints that a domain may have. */
export const maxEndpoints = 20

/** Why an endpoint gets nothing: its manager wants it so, it has answered 410, or it has failed for `failingDays`. */
export type DisabledReason = 'manual' | 'gone' | 'failing'

export const failingDays = 5

/** `waiting` for its first or next attempt; `cancelled`: its endpoint was disabled before it arrived. */
export const deliveryStatuses = ['waiting', 'delivered', 'failed', 'cancelled'] as const
export type DeliveryStatus = (typeof deliveryStatuses)[number]

/** As much of a receiver's answer as is kept, in bytes: enough for a person to see what is wrong. */
export const keptAnswerBytes = 1024

/** How long one attempt may take. */
export const attemptTimeoutSeconds = 15

/** A worker that sends holds its delivery for so long: an attempt with its calls before and after it. */
export const deliveryLeaseSeconds = 60

/** For how long the secret before the present one still signs. */
export const previousSecretHours = 24

const minute = 60
const hour = 60 * minute

/** Standard Webhooks 1.0, "Deliverability and reliability": seconds from each failed attempt to the next one. */
export const retrySchedule: readonly number[] = [
  5,
  5 * minute,
  30 * minute,
  2 * hour,
  5 * hour,
  10 * hour,
  14 * hour,
  20 * hour,
  24 * hour,
]

/** A receiver that asks for more patience than this gets as much. */
const longestRetryAfterSeconds = 24 * hour

/**
 * Seconds from failed attempt number `attempt` (1 is the first) to the next one; null when that was the last. What the
 * receiver asks for is waited for, and `random` (0 … 1) adds up to a tenth, so that what failed together does not return
 * together.
 */
export function nextAttemptSeconds(
  schedule: readonly number[],
  attempt: number,
  retryAfterSeconds: number | null,
  random: number,
): number | null {
  const scheduled = schedule[attempt - 1]
  if (scheduled === undefined) return null
  const asked = Math.min(retryAfterSeconds ?? 0, longestRetryAfterSeconds)
  return Math.ceil(Math.max(scheduled, asked) * (1 + 0.1 * random))
}
