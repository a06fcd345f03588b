import { leaseSeconds, renewalSeconds } from '../core/backoff.ts'
import type { Clock } from '../core/ports.ts'
import type { Database } from '../db/database.ts'
import { renewLease } from '../db/uploaded-files/lease.ts'
import type { Hold } from '../db/uploaded-files/move.ts'

export interface LeaseKeeper {
  /** Aborted when the lease was lost: somebody else works on the file, and nothing more may be written for it. */
  lost: AbortSignal
  stop(): void
}

/**
 * Renews a lease until stopped. A renewal that fails is tried again at the next turn, as long as the lease can still be
 * running; every write checks the hold itself, so that a worker which is late in noticing can do no harm.
 */
export function keepLease({ db, now }: { db: Database; now: Clock }, hold: Hold): LeaseKeeper {
  const lost = new AbortController()
  const timer = setInterval(async () => {
    try {
      if (!(await renewLease(db, hold, now() + leaseSeconds * 1000))) lost.abort(new Error('The lease was lost.'))
    } catch {
      // The database did not answer; the next turn asks again.
    }
  }, renewalSeconds * 1000)
  return { lost: lost.signal, stop: () => clearInterval(timer) }
}
