import { v7 as uuidv7 } from 'uuid'
import { type Credential, requireAccess, uploadTokenOf } from '../core/access.ts'
import type { Domain } from '../core/domain.ts'
import { cleanFilename } from '../core/filename.ts'
import { type Metadata, requireMetadata, withFixedMetadata } from '../core/metadata.ts'
import type { Clock } from '../core/ports.ts'
import { fixedMetadata, narrowDomain } from '../core/upload-token.ts'
import type { Protocol } from '../core/uploaded-file.ts'
import type { Database } from '../db/database.ts'
import { fileTooLarge, requireAllowedName } from '../ingest/examination.ts'
import { committerOf } from '../services/receive/open-reception.ts'
import { requireRoom } from '../services/receive/require-room.ts'
import type { Opening, SessionView } from './session.ts'
import type { Sessions } from './sessions.ts'

/** A resumable upload as its client announces it. */
export interface AnnouncedUpload {
  domain: Domain
  credential: Credential
  protocol: Protocol
  filename: string
  /** The essence of the declared type; null when there is none. */
  declaredType: string | null
  metadata: Metadata
  /** Null: the client will say it later. */
  length: number | null
  endsBy: Opening['endsBy']
  sha256: string | null
  /** What the protocol wants to be given back with the upload's offset. */
  notes: Readonly<Record<string, string>>
}

export interface OpenParts {
  sessions: Sessions
  db: Database
  now: Clock
  /** For how long it may be gone on with. */
  sessionMs: number
}

/** Opens a session for an upload, once everything that can be known by now speaks for it. Throws what speaks against it. */
export async function openUpload(announced: AnnouncedUpload, parts: OpenParts): Promise<SessionView> {
  const { credential, protocol, declaredType, length, endsBy, sha256, notes } = announced
  requireAccess(credential, 'upload', announced.domain)
  const token = uploadTokenOf(credential)
  const domain = narrowDomain(announced.domain, token)
  const metadata = withFixedMetadata(announced.metadata, fixedMetadata(token))
  const { policy } = domain
  requireMetadata(policy.metadata, metadata)
  const filename = cleanFilename(announced.filename)
  requireAllowedName({ filename, policy })
  if (length !== null && length > policy.maxFileBytes) throw fileTooLarge(filename, policy.maxFileBytes, length)
  await requireRoom(parts.db, domain, length ?? 0)
  return parts.sessions.open(domain, {
    id: uuidv7(),
    domainId: domain.id,
    filename,
    declaredType,
    metadata,
    protocol,
    policy,
    committer: committerOf(domain, credential),
    length,
    endsBy,
    sha256,
    expiresAt: parts.now() + parts.sessionMs,
    notes,
  })
}
