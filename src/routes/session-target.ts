import type { AppContext } from '../context.ts'
import { requireAccess } from '../core/access.ts'
import type { Domain } from '../core/domain.ts'
import type { Protocol } from '../core/uploaded-file.ts'
import { requireDomain } from '../middleware/domain.ts'
import { lostSession } from '../resumable/lost-session.ts'

/** The upload that a request goes on with, whatever the protocol. */
export interface SessionTarget {
  domain: Domain
  id: string
}

/** Which upload a request is for, once its sender may have to do with it. */
export function requireTarget(c: AppContext, action: 'upload' | 'resume-upload'): SessionTarget {
  const domain = requireDomain(c)
  requireAccess(c.get('credential'), action, domain)
  return { domain, id: c.req.param('id') as string }
}

/** Throws why there is no such upload to go on with by this protocol. */
export async function failLost(c: AppContext, { domain, id }: SessionTarget, protocol: Protocol): Promise<never> {
  const { databaseFor, storageFor, now, log } = c.get('deps')
  const parts = { db: databaseFor(domain), storage: storageFor(domain), now, log }
  throw await lostSession(parts, { domainId: domain.id, id }, protocol)
}
