import { randomUUID } from 'node:crypto'
import type { Credential } from '../../core/access.ts'
import type { Domain } from '../../core/domain.ts'
import { Refusal } from '../../core/errors.ts'
import { firstWiderType } from '../../core/policy.ts'
import type { Clock } from '../../core/ports.ts'
import type { UploadLimits } from '../../core/upload-token.ts'
import { type SigningSecrets, signTokenOrRefuse } from './signed-token.ts'

/**
 * Makes a token by which a client without a key may upload to a domain. It ends after `expiresInSeconds`, with the key
 * that made it, and when that key is revoked. Throws `request-invalid` for types that the policy does not allow, and
 * as `signTokenOrRefuse` does.
 * `expiresAt` is milliseconds since 1970.
 */
export async function makeUploadToken(
  { secrets, now }: { secrets: SigningSecrets; now: Clock },
  domain: Domain,
  maker: Credential,
  { expiresInSeconds, ...limits }: UploadLimits & { expiresInSeconds: number },
): Promise<{ token: string; expiresAt: number }> {
  const wider = firstWiderType(domain.policy, limits.types ?? [])
  if (wider !== undefined) {
    throw new Refusal(
      'request-invalid',
      `The domain does not take "${wider}"; a token can only narrow what it takes.`,
      {
        facts: { allowedTypes: domain.policy.allowedTypes },
      },
    )
  }
  const key = maker.kind === 'key' ? maker : null
  const iat = Math.floor(now() / 1000)
  const exp = Math.min(iat + expiresInSeconds, Math.floor((key?.expiresAt ?? Number.POSITIVE_INFINITY) / 1000))
  const token = await signTokenOrRefuse(secrets, {
    kind: 'upload',
    aud: domain.id,
    jti: randomUUID(),
    key: key?.keyId ?? null,
    iat,
    exp,
    ...limits,
  })
  return { token, expiresAt: exp * 1000 }
}
