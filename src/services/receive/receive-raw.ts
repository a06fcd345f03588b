import { type Credential, requireAccess, uploadTokenOf } from '../../core/access.ts'
import type { ExpectedDigests } from '../../core/digest.ts'
import type { Domain } from '../../core/domain.ts'
import { type Metadata, requireMetadata, withFixedMetadata } from '../../core/metadata.ts'
import { inconsistentLength } from '../../core/upload-length.ts'
import { fixedMetadata, narrowDomain } from '../../core/upload-token.ts'
import type { UploadedFile } from '../../core/uploaded-file.ts'
import { fileTooLarge } from '../../ingest/examination.ts'
import { RawSource } from '../../ingest/raw-source.ts'
import type { RequestBody } from '../../ingest/request-body.ts'
import { keepsOthersWaiting } from '../../ingest/store-file.ts'
import { requireCallback } from './callback.ts'
import { openReception, type Repeatable } from './open-reception.ts'
import type { IntakeParts } from './reception.ts'

/** A request whose body is one file. */
export interface RawUpload {
  body: RequestBody
  credential: Credential
  domain: Domain
  filename: string
  declaredType: string | null
  /** How many bytes the file has, where the client says so beside `Content-Length`; else null. */
  length: number | null
  digests: ExpectedDigests
  metadata: Metadata
  /** Who is to be told how the file ends; null for nobody. */
  callbackUrl: string | null
  repeatable: Repeatable
}

/** Receives one file that is the whole body. Throws a `Refusal`; nothing is kept then. */
export async function receiveRaw(request: RawUpload, parts: IntakeParts): Promise<UploadedFile> {
  const { body, credential, filename, length } = request
  requireAccess(credential, 'upload', request.domain)
  const token = uploadTokenOf(credential)
  const domain = narrowDomain(request.domain, token)
  const metadata = withFixedMetadata(request.metadata, fixedMetadata(token))
  const { maxFileBytes, maxRequestBytes } = domain.policy
  requireMetadata(domain.policy.metadata, metadata)
  const callbackUrl = requireCallback(request.callbackUrl, domain, parts.outboundRules)
  const { declaredBytes } = body
  if (length !== null && declaredBytes !== null && length !== declaredBytes)
    throw inconsistentLength(length, declaredBytes)
  if (declaredBytes !== null && declaredBytes > maxFileBytes) throw fileTooLarge(filename, maxFileBytes, declaredBytes)
  body.limitTo(maxRequestBytes)
  body.hurryWhile(() => keepsOthersWaiting(parts.pool, body.readBytes))
  const reception = await openReception(parts, domain, credential, 'raw', request.repeatable, declaredBytes ?? 0)
  try {
    await reception.take(new RawSource(body), {
      field: '',
      filename,
      declaredType: request.declaredType,
      digests: request.digests,
      atMostBytes: declaredBytes,
      declaredBytes,
    })
    if (length !== null && length !== body.readBytes) throw inconsistentLength(length, body.readBytes)
    const [outcome] = await reception.commit({ metadata, callbackUrl })
    if (outcome && 'upload' in outcome) return outcome.upload
    throw outcome?.refusal
  } catch (error) {
    await reception.discard(error)
    throw error
  }
}
