import { type Credential, uploadTokenOf } from '../../core/access.ts'
import type { Domain } from '../../core/domain.ts'
import type { Protocol } from '../../core/uploaded-file.ts'
import type { Committer } from '../../db/uploaded-files/commit.ts'
import { claimKey } from './idempotency.ts'
import { Intake, type KeyedIntake } from './intake.ts'
import type { IntakeParts, Reception } from './reception.ts'
import { Replay } from './replay.ts'
import { requireRoom } from './room.ts'

/** A request that may be one of several tries. */
export interface Repeatable {
  /** The value of `Idempotency-Key`, already checked; null when there is none. */
  idempotencyKey: string | null
  /** The network it comes from: what tells clients without a credential apart. */
  network: string | null
  method: string
  path: string
}

/**
 * Opens what the files of a request go into, before the first byte of them is read. With an idempotency key that has
 * its answer, that is a replay, which stores nothing and needs no room. `atLeastBytes`: how many bytes of files there
 * will certainly be. Throws `idempotency-in-progress` while another request holds the key, and `quota-exceeded`.
 */
export async function openReception(
  parts: IntakeParts,
  domain: Domain,
  credential: Credential,
  protocol: Protocol,
  { idempotencyKey, network, method, path }: Repeatable,
  atLeastBytes: number,
): Promise<Reception> {
  const committer = committerOf(domain, credential)
  let keyed: KeyedIntake | null = null
  if (idempotencyKey !== null) {
    const client = clientOf(credential, network)
    const request = await claimKey(parts, { domainId: domain.id, client, key: idempotencyKey })
    if (request.kind === 'repeat') return new Replay(parts.pool, domain, request, { method, path })
    keyed = { request, method, path }
  }
  const intake = new Intake(parts, domain, committer, protocol, keyed)
  try {
    await requireRoom(parts.db, domain, atLeastBytes)
    return intake
  } catch (error) {
    await intake.discard(error)
    throw error
  }
}

/** In whose name the files are committed: what must still be good when they are. */
export function committerOf(domain: Domain, credential: Credential): Committer {
  const token = uploadTokenOf(credential)
  return {
    domainId: domain.id,
    keyId: credential.kind === 'key' || credential.kind === 'upload-token' ? credential.keyId : null,
    token: token && { tokenId: token.tokenId, expiresAt: token.expiresAt, uses: token.limits.uses ?? null },
    isAnonymous: credential.kind === 'anonymous' || credential.kind === 'read-token',
  }
}

/** Whose idempotency key it is: two credentials never share one, and neither do strangers from two networks. */
function clientOf(credential: Credential, network: string | null): string {
  switch (credential.kind) {
    case 'administrator':
      return 'administrator'
    case 'key':
      return credential.keyId
    case 'upload-token':
      return credential.tokenId
    case 'read-token':
    case 'processor':
      return credential.fileId
    case 'anonymous':
      return `anonymous:${network ?? ''}`
  }
}
