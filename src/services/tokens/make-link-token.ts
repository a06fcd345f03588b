import { cleanFilename } from '../../core/filename.ts'
import type { Clock } from '../../core/ports.ts'
import type { Database } from '../../db/database.ts'
import { findUpload } from '../find-upload.ts'
import { type SigningSecrets, signTokenOrRefuse } from './signed-token.ts'

/**
 * The token of a download link: whoever has it reads this file's content for `expiresInSeconds`, saved as `filename` if
 * one is given. Throws as `findUpload` does. `expiresAt` is milliseconds since 1970.
 */
export async function makeLinkToken(
  { db, secrets, now }: { db: Database; secrets: SigningSecrets; now: Clock },
  file: { domainId: string; id: string },
  { expiresInSeconds, filename }: { expiresInSeconds: number; filename?: string | undefined },
): Promise<{ token: string; expiresAt: number }> {
  const { id } = await findUpload(db, file)
  const iat = Math.floor(now() / 1000)
  const exp = iat + expiresInSeconds
  const token = await signTokenOrRefuse(secrets, {
    kind: 'link',
    aud: file.domainId,
    sub: id,
    iat,
    exp,
    ...(filename === undefined ? {} : { filename: cleanFilename(filename) }),
  })
  return { token, expiresAt: exp * 1000 }
}
