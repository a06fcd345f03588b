import { sql } from 'drizzle-orm'
import { publishIntervalSeconds } from '../core/backoff.ts'

// Rows of files and of webhook deliveries are their own outbox: what is set with each publish is the same for both.

/** The first publish of a row's job, at `now` (milliseconds since 1970), and when the next is due if no worker takes it. */
export function firstPublish(now: number) {
  return { publishCount: 1, nextPublishAt: nextPublish(now) }
}

/** One more publish of a row's job, which a worker may take from `at` on (milliseconds since 1970). */
export function published(at: number) {
  return { publishCount: sql`publish_count + 1`, nextPublishAt: nextPublish(at) }
}

/** When a job that could be taken at `at` is due to be published again: a minute later. Both milliseconds since 1970. */
export function nextPublish(at: number): number {
  return at + publishIntervalSeconds(1) * 1000
}
