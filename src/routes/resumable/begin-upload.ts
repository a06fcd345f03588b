import type { AppContext } from '../../context.ts'
import { parseDigestField } from '../../core/digest.ts'
import type { Domain } from '../../core/domain.ts'
import { Refusal } from '../../core/errors.ts'
import { essenceOf } from '../../core/media-type.ts'
import { requireDomain } from '../../middleware/domain.ts'
import { problems, toRefusal } from '../../problem.ts'
import { openUpload } from '../../resumable/open-upload.ts'
import type { SessionView } from '../../resumable/session.ts'
import { sessionUrl } from '../addresses.ts'
import { callbackOf, metadataOf, receiveBody } from '../raw-upload.ts'
import { giveReadToken } from '../read-token.ts'
import { giveUp } from '../session-target.ts'
import { answerComplete, withRefusalFields } from './answers.ts'
import { appendBody } from './append-body.ts'
import { announcedLength, describeUpload, partialUpload } from './fields.ts'

/**
 * Begins an upload by the draft. A body that is all of it is received as any raw body is, all or nothing: nobody could go
 * on with it, since a Worker can't tell its address before the end, by a 104. Else it is at `Location` from now on.
 */
export function beginUpload(
  c: AppContext,
  { filename, isComplete }: { filename: string; isComplete: boolean },
): Promise<Response> {
  if (declaredType(c) === 'multipart/form-data') {
    throw new Refusal('content-type-unsupported', 'A form can not be resumed. Send the file alone, as the whole body.')
  }
  const domain = requireDomain(c)
  return withRefusalFields(c, { domain, isLast: isComplete }, async () => {
    if (isComplete) {
      return answerComplete(c, domain, await receiveBody(c, domain, { filename, length: announcedLength(c) }))
    }
    const opened = await open(c, domain, filename)
    const view = c.get('body').declaredBytes === 0 ? opened : await sendFirst(c, domain, opened.id)
    c.header('Location', sessionUrl(c, domain, 'resumable', opened.id))
    describeUpload(c, view)
    await giveReadToken(c, view)
    return c.body(null, 201)
  })
}

async function open(c: AppContext, domain: Domain, filename: string): Promise<SessionView> {
  const { sessions, databaseFor, outboundRules, journal, now, sessionMs } = c.get('deps')
  const type = declaredType(c)
  return openUpload(
    {
      domain,
      credential: c.get('credential'),
      protocol: 'resumable',
      role: { kind: 'file' },
      filename,
      // Some clients label what they begin with as they label what they append, which says nothing of the file.
      declaredType: type === partialUpload ? null : type,
      metadata: metadataOf(c),
      length: announcedLength(c),
      endsBy: 'last-append',
      sha256: promisedSha256(c),
      callbackUrl: callbackOf(c),
      notes: {},
    },
    { sessions, db: databaseFor(domain), outboundRules, journal, now, sessionMs },
  )
}

/**
 * Sends the body of the first request. The upload is given up when that body breaks off, since nobody has learned its
 * address, and when it is refused; with a failure that may pass, its address is told.
 */
async function sendFirst(c: AppContext, domain: Domain, id: string): Promise<SessionView> {
  try {
    return await appendBody(c, { domain, id, offset: 0, isLast: false })
  } catch (error) {
    if (problems[toRefusal(error).code].status >= 500) c.header('Location', sessionUrl(c, domain, 'resumable', id))
    else await giveUp(c, { domain, id })
    throw error
  }
}

function declaredType(c: AppContext): string | null {
  return essenceOf(c.req.header('content-type'))
}

/** What `Repr-Digest` promises. Only the state of a SHA-256 is kept from one append to the next. */
function promisedSha256(c: AppContext): string | null {
  const field = c.req.header('repr-digest')
  const expected = parseDigestField('Repr-Digest', field)
  const sha256 = expected.get('sha-256')
  if (sha256) return sha256.toHex()
  if (expected.size === 0) return null
  throw new Refusal('digest-invalid', 'A resumable upload is held against a sha-256 alone. Add one to Repr-Digest.', {
    facts: { field: 'Repr-Digest', algorithms: ['sha-256'] },
  })
}
