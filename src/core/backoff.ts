/** Attempts that a generation gets before the file is `failed`. Counted in the row, never by the queue. */
export const maxAttempts = 5

/** How long a worker holds a file without renewing its lease. A worker that dies is replaced when this has passed. */
export const leaseSeconds = 120

/** How often a worker renews its lease: two renewals may fail before it is lost. */
export const renewalSeconds = leaseSeconds / 3

/** Files of one domain that may be processed at once, where the queue itself can't be told. */
export const maxRunningPerDomain = 20

/** The longest delay that is given to a queue; anything longer waits in the row (`next_attempt_at`). */
export const maxQueueDelaySeconds = 600

const firstRetrySeconds = 10
const longestRetrySeconds = 3600

/**
 * Seconds to wait after failed attempt number `attempt` (1 is the first): 10 s, doubled each time, at most an hour, and
 * spread by `random` (0 … 1) over ±20 % so that files which failed together do not return together.
 */
export function retryDelaySeconds(attempt: number, random: number): number {
  const base = Math.min(firstRetrySeconds * 2 ** (attempt - 1), longestRetrySeconds)
  return Math.round(base * (0.8 + 0.4 * random))
}

const firstPublishIntervalSeconds = 60
const longestPublishIntervalSeconds = 6 * 3600

/** Seconds after publish number `publish` at which the row is due to be published again, if no worker has taken it. */
export function publishIntervalSeconds(publish: number): number {
  return Math.min(firstPublishIntervalSeconds * 2 ** (publish - 1), longestPublishIntervalSeconds)
}
