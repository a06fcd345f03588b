import type { AppContext } from '../context.ts'
import { networkOf } from '../core/client-address.ts'
import { joinDigests, parseDigestField } from '../core/digest.ts'
import type { Domain } from '../core/domain.ts'
import { essenceOf } from '../core/media-type.ts'
import { parseMetadata } from '../core/metadata.ts'
import type { UploadedFile } from '../core/uploaded-file.ts'
import { parseIdempotencyKey } from '../services/receive/idempotency.ts'
import { receiveRaw } from '../services/receive/receive-raw.ts'
import type { IntakeParts } from '../services/receive/reception.ts'
import { uploadUrl } from './addresses.ts'
import { readTokenFor } from './read-token.ts'
import { serialiseUpload } from './serialise-upload.ts'

/** Receives the request's whole body as one file. `length`: how many bytes it has, where a field of its own says so. */
export function receiveBody(
  c: AppContext,
  domain: Domain,
  { filename, length }: { filename: string; length: number | null },
): Promise<UploadedFile> {
  const request = {
    body: c.get('body'),
    credential: c.get('credential'),
    domain,
    filename,
    declaredType: essenceOf(c.req.header('content-type')),
    length,
    digests: requestDigests(c),
    metadata: metadataOf(c),
    callbackUrl: callbackOf(c),
    repeatable: repeatable(c),
  }
  return receiveRaw(request, intakeParts(c, domain))
}

/** The answer to whoever has sent a file that was accepted. */
export async function answerAccepted(c: AppContext, domain: Domain, upload: UploadedFile) {
  c.header('Location', uploadUrl(c, domain, upload.id))
  return c.json({ ...serialiseUpload(c, domain, upload), ...(await readTokenFor(c, upload)) }, 202)
}

export function intakeParts(c: AppContext, domain: Domain): IntakeParts {
  const { databaseFor, storageFor, pool, queue, now, log, journal, outboundRules, defer } = c.get('deps')
  return {
    db: databaseFor(domain),
    storage: storageFor(domain),
    pool,
    queue,
    now,
    log,
    journal,
    outboundRules,
    defer,
  }
}

/** The metadata of a raw upload. JSON can be written in ASCII alone, which is all that a header holds for certain. */
export function metadataOf(c: AppContext) {
  const header = c.req.header('x-upload-metadata')
  return header === undefined ? {} : parseMetadata(header, 'header X-Upload-Metadata')
}

/** Who is to be told how the files of a request end, where a header says so. */
export function callbackOf(c: AppContext): string | null {
  return c.req.header('x-callback-url') ?? null
}

export function repeatable(c: AppContext) {
  return {
    idempotencyKey: parseIdempotencyKey(c.req.header('idempotency-key')),
    network: networkOf(c.req.header('cf-connecting-ip')),
    method: c.req.method,
    path: c.req.path,
  }
}

/** What the request's digest fields promise of its body. */
export function requestDigests(c: AppContext) {
  return joinDigests(
    parseDigestField('Content-Digest', c.req.header('content-digest')),
    parseDigestField('Repr-Digest', c.req.header('repr-digest')),
  )
}
