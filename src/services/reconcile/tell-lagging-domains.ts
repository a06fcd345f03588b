import { findLaggingDomains } from '../../db/webhooks/fan-out.ts'
import { endQuiet, tellWebhooks } from '../webhooks/tell-webhooks.ts'
import { type Chore, rowsPerSweep } from './chore.ts'

/** Makes the deliveries that nobody has made yet: of what the reconciler itself has done, or a worker that died had. */
export const tellLaggingDomains: Chore = async (parts, { dryRun }) => {
  const domainIds = await findLaggingDomains(parts.db, rowsPerSweep)
  if (dryRun) return domainIds.length
  for (const domainId of domainIds) {
    endQuiet(parts, domainId)
    await tellWebhooks(parts, domainId)
  }
  return domainIds.length
}
