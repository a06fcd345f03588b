import { countDueJobs, takeDueJobs } from '../../db/uploaded-files/due.ts'
import { publishJobs } from '../publish-jobs.ts'
import { type Chore, rowsPerSweep } from './chore.ts'

/** Publishes the rows whose time has come, each with the next publish number, and the next time twice as far away. */
export const publishDueJobs: Chore = async (parts, { dryRun }) => {
  if (dryRun) return countDueJobs(parts.db, parts.now())
  const jobs = await takeDueJobs(parts.db, parts.now(), rowsPerSweep)
  await publishJobs(parts, jobs)
  return jobs.length
}
