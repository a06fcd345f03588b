import { type Credential, requireAccess } from '../../core/access.ts'
import type { ExpectedDigests } from '../../core/digest.ts'
import type { Domain } from '../../core/domain.ts'
import type { UploadedFile } from '../../core/uploaded-file.ts'
import { fileTooLarge } from '../../ingest/examination.ts'
import { RawSource } from '../../ingest/raw-source.ts'
import type { RequestBody } from '../../ingest/request-body.ts'
import { Intake, type IntakeParts } from './intake.ts'

/** A `PUT` whose body is one file. */
export interface RawUpload {
  body: RequestBody
  credential: Credential
  domain: Domain
  filename: string
  declaredType: string | null
  digests: ExpectedDigests
}

/** Receives one file that is the whole body. Throws a `Refusal`; nothing is kept then. */
export async function receiveRaw(request: RawUpload, parts: IntakeParts): Promise<UploadedFile> {
  const { body, credential, domain, filename } = request
  requireAccess(credential, 'upload', domain)
  const { maxFileBytes, maxRequestBytes } = domain.policy
  const { declaredBytes } = body
  if (declaredBytes !== null && declaredBytes > maxFileBytes) throw fileTooLarge(filename, maxFileBytes, declaredBytes)
  body.limitTo(maxRequestBytes)
  const intake = new Intake(parts, domain, credential.kind === 'key' ? credential.keyId : null, 'raw')
  try {
    await intake.take(new RawSource(body), { ...request, atMostBytes: declaredBytes, declaredBytes })
    const [outcome] = await intake.commit({})
    if (outcome && 'upload' in outcome) return outcome.upload
    throw outcome?.refusal
  } catch (error) {
    await intake.discard(error)
    throw error
  }
}
