import type { Clock, JobQueue, Log } from '../../core/ports.ts'
import type { TimedCache } from '../../core/timed-cache.ts'
import type { Database } from '../../db/database.ts'
import { fanOutEvents } from '../../db/webhooks/fan-out.ts'
import { publishJobs } from '../publish-jobs.ts'

export interface TellParts {
  db: Database
  queue: JobQueue
  /** Domains that were found to tell nobody, for as long as that may be believed. */
  quietDomains: TimedCache<string>
  now: Clock
  log: Log
}

/**
 * Makes and publishes the deliveries of what has happened in a domain since this was last done. Never throws, and may be
 * left out: the reconciler does it for every domain that lags. Where nobody is to be told, that is believed for 30 s.
 */
export async function tellWebhooks(parts: TellParts, domainId: string): Promise<void> {
  const { db, quietDomains, now, log } = parts
  if (quietDomains.get(domainId, now()) !== undefined) return
  try {
    for (let hasMore = true; hasMore; ) {
      const told = await fanOutEvents(db, domainId, now())
      if (!told.isWanted) quietDomains.set(domainId, domainId, now())
      await publishJobs(parts, told.jobs)
      hasMore = told.hasMore
    }
  } catch (error) {
    log('warn', 'tell-webhooks-failed', { domainId, error })
  }
}

/** Somebody of this domain is to be told from now on. Other isolates notice within 30 s, and the reconciler makes it good. */
export function endQuiet({ quietDomains }: Pick<TellParts, 'quietDomains'>, domainId: string): void {
  quietDomains.forget((quiet) => quiet === domainId)
}
