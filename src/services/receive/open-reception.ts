import type { Credential } from '../../core/access.ts'
import type { Domain } from '../../core/domain.ts'
import type { Protocol } from '../../core/uploaded-file.ts'
import { claimKey } from './idempotency.ts'
import { Intake } from './intake.ts'
import type { IntakeParts, Reception } from './reception.ts'
import { Replay } from './replay.ts'

/** A request that may be one of several tries. */
export interface Repeatable {
  /** The value of `Idempotency-Key`, already checked; null when there is none. */
  idempotencyKey: string | null
  method: string
  path: string
}

/**
 * Opens what the files of a request go into, before the first byte of them is read. With an idempotency key that has
 * its answer, that is a replay, which stores nothing. Throws `idempotency-in-progress` while another request holds it.
 */
export async function openReception(
  parts: IntakeParts,
  domain: Domain,
  credential: Credential,
  protocol: Protocol,
  { idempotencyKey, method, path }: Repeatable,
): Promise<Reception> {
  const keyId = credential.kind === 'key' ? credential.keyId : null
  if (idempotencyKey === null) return new Intake(parts, domain, keyId, protocol, null)
  const client = keyId ?? credential.kind
  const request = await claimKey(parts, {
    domainId: domain.id,
    client,
    key: idempotencyKey,
  })
  if (request.kind === 'repeat') return new Replay(parts.pool, domain, request, { method, path })
  return new Intake(parts, domain, keyId, protocol, { request, method, path })
}
