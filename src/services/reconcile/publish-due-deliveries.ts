import { countDueDeliveries, takeDueDeliveries } from '../../db/webhooks/due.ts'
import { cancelUnsendable, failExhausted } from '../../db/webhooks/finish.ts'
import { publishJobs } from '../publish-jobs.ts'
import { type Chore, rowsPerSweep } from './chore.ts'

/** Ending one is cheap, and an endpoint that is disabled may leave very many behind. */
const cancelledPerSweep = 5000

/** Publishes the deliveries whose time has come, among them those of dead workers, and ends those that nobody takes. */
export const publishDueDeliveries: Chore = async (parts, { dryRun }) => {
  const { db, now, retrySchedule } = parts
  if (dryRun) return countDueDeliveries(db, now())
  await failExhausted(db, retrySchedule.length + 1, now())
  await cancelUnsendable(db, now(), cancelledPerSweep)
  const jobs = await takeDueDeliveries(db, now(), rowsPerSweep)
  await publishJobs(parts, jobs)
  return jobs.length
}
