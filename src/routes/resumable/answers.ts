import type { AppContext } from '../../context.ts'
import { reprDigest } from '../../core/digest.ts'
import type { Domain } from '../../core/domain.ts'
import { Refusal } from '../../core/errors.ts'
import type { UploadedFile } from '../../core/uploaded-file.ts'
import { problems, toRefusal } from '../../problem.ts'
import { endsUpload } from '../../resumable/finish-upload.ts'
import { uploadUrl } from '../addresses.ts'
import { answerAccepted } from '../raw-upload.ts'
import { describeLimits, describeOwnLimits, setComplete } from './fields.ts'

/**
 * Runs what answers a request of the draft, and gives a refusal the fields that the draft wants of it. `isLast`: whether
 * the request was to end the upload, so that a refusal of the file is the answer to all of it.
 */
export async function withRefusalFields(
  c: AppContext,
  { domain, id, isLast }: { domain: Domain; id?: string; isLast: boolean },
  work: () => Promise<Response>,
): Promise<Response> {
  try {
    return await work()
  } catch (error) {
    const { code, facts } = toRefusal(error)
    setComplete(c, isLast && endsUpload(error))
    if (code === 'offset-mismatch') c.header('Upload-Offset', String(facts['expected-offset']))
    if (problems[code].status === 413) await describeWhatHolds(c, domain, id)
    if (code === 'upload-completed' && id !== undefined) c.header('Location', uploadUrl(c, domain, id))
    throw code === 'checksum-mismatch' ? contentDigestMismatch(error) : error
  }
}

/** Says the limits of the upload, where it has an id and goes on; else those of the next. */
async function describeWhatHolds(c: AppContext, domain: Domain, id: string | undefined): Promise<void> {
  const view = id === undefined ? null : await c.get('deps').sessions.view(domain, id)
  if (view) describeOwnLimits(c, view)
  else describeLimits(c, domain)
}

/** tus has a status of its own for an append that is not what was promised; HTTP has not. */
function contentDigestMismatch(cause: unknown): Refusal {
  const message = 'The bytes are not those of their Content-Digest; none of them was kept.'
  return new Refusal('digest-mismatch', message, { facts: { field: 'Content-Digest' }, cause })
}

/** The answer to the request that has brought the last of a file: that of any other upload, with the draft's fields. */
export async function answerComplete(c: AppContext, domain: Domain, upload: UploadedFile): Promise<Response> {
  c.header('Upload-Offset', String(upload.size))
  c.header('Upload-Length', String(upload.size))
  setComplete(c, true)
  // RFC 9530 §4: a preference of 0 is none.
  if (/(^|,) *sha-256=([1-9]|10) *(,|$)/.test(c.req.header('want-repr-digest') ?? '')) {
    c.header('Repr-Digest', reprDigest(upload.sha256))
  }
  return answerAccepted(c, domain, upload)
}
