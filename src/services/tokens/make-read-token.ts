import type { UploadedFile } from '../../core/uploaded-file.ts'
import { type SigningSecrets, signToken } from './signed-token.ts'

const goodForSeconds = 24 * 3600

/**
 * The token by which a client without a key may follow and read what it has uploaded, for 24 hours from the commit. It
 * follows from the file alone, so that a repeated request is answered with the same one. Null without a secret.
 */
export function makeReadToken(
  secrets: SigningSecrets,
  accepted: Pick<UploadedFile, 'id' | 'domainId' | 'updatedAt'>,
): Promise<string | null> {
  const iat = Math.floor(accepted.updatedAt / 1000)
  return signToken(secrets, { kind: 'read', aud: accepted.domainId, sub: accepted.id, iat, exp: iat + goodForSeconds })
}
