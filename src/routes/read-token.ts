import type { AppContext } from '../context.ts'
import type { UploadedFile } from '../core/uploaded-file.ts'
import { makeReadToken } from '../services/tokens/make-read-token.ts'

/**
 * What a client without a key needs to follow its own upload; who has a key, or administers, needs nothing. An answer
 * that holds one is not to be kept.
 */
export async function readTokenFor(
  c: AppContext,
  upload: Pick<UploadedFile, 'id' | 'domainId' | 'updatedAt'>,
): Promise<{ readToken?: string }> {
  const { kind } = c.get('credential')
  if (kind === 'key' || kind === 'administrator') return {}
  const readToken = await makeReadToken(c.get('deps').signingSecrets, upload)
  if (readToken === null) return {}
  c.header('Cache-Control', 'no-store')
  return { readToken }
}

/** The same for an answer that has no body: in a header. */
export async function giveReadToken(c: AppContext, { id, domainId }: { id: string; domainId: string }): Promise<void> {
  const { readToken } = await readTokenFor(c, { id, domainId, updatedAt: c.get('deps').now() })
  c.header('X-Read-Token', readToken)
}
