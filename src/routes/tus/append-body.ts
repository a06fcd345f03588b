import type { AppContext } from '../../context.ts'
import { Refusal } from '../../core/errors.ts'
import { essenceOf } from '../../core/media-type.ts'
import type { Append, SessionView } from '../../resumable/session.ts'
import { failLost, type SessionTarget } from '../session-target.ts'
import { offsetOctetStream, parseChecksum } from './fields.ts'

/** What a body brings, as far as it is known before it is read. */
export type Content = Pick<Append, 'declaredBytes' | 'checksum' | 'isLast'>

/** What the request's body brings; null when there is none. Throws `content-type-unsupported` for another type. */
export function contentOf(c: AppContext): Content | null {
  const { declaredBytes } = c.get('body')
  const isOffsetStream = essenceOf(c.req.header('content-type')) === offsetOctetStream
  if (!isOffsetStream && declaredBytes !== 0) throw wrongContentType()
  if (!isOffsetStream) return null
  return { declaredBytes, checksum: parseChecksum(c.req.header('upload-checksum')), isLast: false }
}

/** The same where there must be some. */
export function requireContent(c: AppContext): Content {
  const content = contentOf(c)
  if (!content) throw wrongContentType()
  return content
}

/** Appends the request's body to an upload. Throws the refusal of the append, or of the upload. */
export async function appendBody(
  c: AppContext,
  target: SessionTarget,
  append: Content & Pick<Append, 'offset' | 'length'>,
): Promise<SessionView> {
  const { sessions } = c.get('deps')
  const view = await sessions.append(target.domain, target.id, { ...append, protocol: 'tus' }, c.req.raw.body)
  return view ?? failLost(c, target, 'tus')
}

function wrongContentType(): Refusal {
  return new Refusal('content-type-unsupported', `Send the bytes of an upload as ${offsetOctetStream}.`)
}
