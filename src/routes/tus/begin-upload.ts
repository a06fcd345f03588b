import type { AppContext } from '../../context.ts'
import { type Domain, requireFound } from '../../core/domain.ts'
import { Refusal } from '../../core/errors.ts'
import { essenceOf } from '../../core/media-type.ts'
import { requireDomain } from '../../middleware/domain.ts'
import { enforceDomainRules } from '../../middleware/domain-rules.ts'
import { openUpload } from '../../resumable/open-upload.ts'
import type { SessionView } from '../../resumable/session.ts'
import { callbackOf } from '../raw-upload.ts'
import { giveUp, type SessionTarget } from '../session-target.ts'
import { appendBody, type Content, contentOf } from './append-body.ts'
import { parseConcat } from './concat.ts'
import { announcedLength, parseTusMetadata } from './fields.ts'

/**
 * Begins an upload by tus, with its first bytes where the request has some (creation-with-upload). Throws what speaks
 * against it.
 */
export async function beginUpload(c: AppContext): Promise<{ domain: Domain; view: SessionView }> {
  const sent = c.req.header('upload-metadata')
  const metadata = parseTusMetadata(sent, { isApex: c.get('host').kind === 'apex' })
  const domain = await domainOf(c, metadata.domain)
  const { sessions, databaseFor, outboundRules, journal, now, sessionMs } = c.get('deps')
  const content = contentOf(c)
  const concat = c.req.header('upload-concat')
  const role = parseConcat(concat, c.get('origin'))
  const length = role.kind === 'joined' ? null : lengthOf(c)
  if (role.kind === 'joined') requireNoBytes(c)
  const opened = await openUpload(
    {
      domain,
      credential: c.get('credential'),
      protocol: 'tus',
      role,
      filename: metadata.filename ?? '',
      declaredType: essenceOf(metadata.filetype),
      metadata: metadata.own,
      length,
      endsBy: 'length',
      sha256: null,
      callbackUrl: role.kind === 'partial' ? null : callbackOf(c),
      notes: { ...(sent === undefined ? {} : { metadata: sent }), ...(concat === undefined ? {} : { concat }) },
    },
    { sessions, db: databaseFor(domain), outboundRules, journal, now, sessionMs },
  )
  if (!content || role.kind === 'joined') return { domain, view: opened }
  return { domain, view: await sendFirst(c, { domain, id: opened.id }, content) }
}

/**
 * Sends the bytes of the creation. The upload is given up when they are refused or lost, for whatever reason, since tus
 * tells its address with a success alone; unless it has become whole all the same, and only the answer was lost.
 */
async function sendFirst(c: AppContext, target: SessionTarget, content: Content): Promise<SessionView> {
  try {
    return await appendBody(c, target, { ...content, offset: 0, length: null })
  } catch (error) {
    const { domain, id } = target
    const view = await c
      .get('deps')
      .sessions.settle(domain, id, 'tus')
      .catch(() => null)
    if (view?.isComplete) return view
    await giveUp(c, target)
    throw error
  }
}

/** The domain of a new upload; on the apex host its metadata may be the first, or another, to name it. */
async function domainOf(c: AppContext, name: string | null): Promise<Domain> {
  if (name === null) return requireDomain(c)
  const named = requireFound(await c.get('deps').directory.byClientText(name), name)
  const known = c.get('domain')
  if (!known) {
    await enforceDomainRules(c, named)
    return named
  }
  if (known.id === named.id) return known
  throw new Refusal(
    'domain-conflict',
    `The request names two domains, "${known.slug}" and "${named.slug}". Name one.`,
    {
      facts: { domains: [known.slug, named.slug] },
    },
  )
}

/** The length that a creation announces; null when it is to follow. */
function lengthOf(c: AppContext): number | null {
  return announcedLength(c.req.header('upload-length'), c.req.header('upload-defer-length'))
}

/** Throws where the creation of a final upload has bytes, or a length, of its own (tus 1.0, concatenation). */
function requireNoBytes(c: AppContext): void {
  const hasLength = ['upload-length', 'upload-defer-length'].some((name) => c.req.header(name) !== undefined)
  if (!hasLength && c.get('body').declaredBytes === 0) return
  throw new Refusal('request-invalid', 'A final upload has the length of its partial ones, and no bytes of its own.')
}
