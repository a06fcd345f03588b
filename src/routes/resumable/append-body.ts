import type { AppContext } from '../../context.ts'
import { parseDigestField } from '../../core/digest.ts'
import type { Append, Checksum, SessionView } from '../../resumable/session.ts'
import { failLost, type SessionTarget } from '../session-target.ts'
import { announcedLength } from './fields.ts'

/** One append as the route knows it; the rest is in the request's fields. */
export interface Announcement extends SessionTarget, Pick<Append, 'isLast'> {
  offset: number
}

/** Appends the request's body to an upload. Throws the refusal of the append, or of the upload. */
export async function appendBody(c: AppContext, { domain, id, offset, isLast }: Announcement): Promise<SessionView> {
  const append = {
    protocol: 'resumable' as const,
    offset,
    declaredBytes: c.get('body').declaredBytes,
    length: announcedLength(c),
    isLast,
    checksum: promisedContent(c),
  }
  const view = await c.get('deps').sessions.append(domain, id, append, c.req.raw.body)
  return view ?? failLost(c, { domain, id }, 'resumable')
}

/** What `Content-Digest` promises of this body: by one of its algorithms, the first that is known of the two. */
function promisedContent(c: AppContext): Checksum | null {
  const expected = parseDigestField('Content-Digest', c.req.header('content-digest'))
  const sha256 = expected.get('sha-256')
  if (sha256) return { algorithm: 'sha256', digest: sha256.toHex() }
  const sha512 = expected.get('sha-512')
  return sha512 ? { algorithm: 'sha512', digest: sha512.toHex() } : null
}
