import { v7 as uuidv7 } from 'uuid'
import { type Credential, requireAccess, uploadTokenOf } from '../core/access.ts'
import type { Domain } from '../core/domain.ts'
import { Refusal } from '../core/errors.ts'
import { cleanFilename } from '../core/filename.ts'
import { type Metadata, requireMetadata, withFixedMetadata } from '../core/metadata.ts'
import type { OutboundRules } from '../core/outbound-url.ts'
import type { Clock, Journal } from '../core/ports.ts'
import { fixedMetadata, narrowDomain } from '../core/upload-token.ts'
import type { Protocol } from '../core/uploaded-file.ts'
import type { Database } from '../db/database.ts'
import { fileTooLarge, requireAllowedName } from '../ingest/examination.ts'
import { requireCallback } from '../services/receive/callback.ts'
import { committerOf } from '../services/receive/open-reception.ts'
import { requireRoom } from '../services/receive/room.ts'
import { joinedLength } from './join-partials.ts'
import type { Opening, Role, SessionView } from './session.ts'
import type { Sessions } from './sessions.ts'

/** A resumable upload as its client announces it. */
export interface AnnouncedUpload {
  domain: Domain
  credential: Credential
  protocol: Protocol
  role: Role
  filename: string
  /** The essence of the declared type; null when there is none. */
  declaredType: string | null
  metadata: Metadata
  /** Null: the client will say it later. */
  length: number | null
  endsBy: Opening['endsBy']
  sha256: string | null
  /** Who is to be told how it ends; null for nobody. */
  callbackUrl: string | null
  /** What the protocol wants to be given back with the upload's offset. */
  notes: Readonly<Record<string, string>>
}

export interface OpenParts {
  sessions: Sessions
  db: Database
  outboundRules: OutboundRules
  journal: Pick<Journal, 'note' | 'trace'>
  now: Clock
  /** For how long it may be gone on with. */
  sessionMs: number
}

/** Opens a session for an upload, once everything that can be known by now speaks for it. Throws what speaks against it. */
export async function openUpload(announced: AnnouncedUpload, parts: OpenParts): Promise<SessionView> {
  const { credential, protocol, role, declaredType, length, endsBy, sha256, notes } = announced
  requireAccess(credential, 'upload', announced.domain)
  const token = uploadTokenOf(credential)
  const domain = narrowDomain(announced.domain, token)
  const metadata = withFixedMetadata(announced.metadata, fixedMetadata(token))
  const { policy } = domain
  const isPartial = role.kind === 'partial'
  // Name and metadata are the joined file's.
  if (!isPartial) requireMetadata(policy.metadata, metadata)
  const filename = cleanFilename(announced.filename)
  if (!isPartial) requireAllowedName({ filename, policy })
  if (length !== null && length > policy.maxFileBytes) throw fileTooLarge(filename, policy.maxFileBytes, length)
  if (role.kind === 'joined')
    joinedLength(await findPartials(parts.sessions, domain, role.partialIds), { filename, policy })
  await requireRoom(parts.db, domain, length ?? 0)
  const id = uuidv7()
  parts.journal.note({ uploadId: id })
  return parts.sessions.open(domain, {
    id,
    domainId: domain.id,
    filename,
    declaredType,
    metadata,
    protocol,
    role,
    policy,
    committer: committerOf(domain, credential),
    length,
    endsBy,
    sha256,
    callbackUrl: requireCallback(announced.callbackUrl, domain, parts.outboundRules),
    trace: parts.journal.trace(),
    expiresAt: parts.now() + parts.sessionMs,
    notes,
  })
}

/** The partial uploads that a file is to be joined of, in their order. Throws `upload-not-found` for what is none of the domain's. */
async function findPartials(sessions: Sessions, domain: Domain, ids: readonly string[]): Promise<SessionView[]> {
  const views = await Promise.all(ids.map((id) => sessions.view(domain, id)))
  return views.map((view, index) => {
    if (view?.role === 'partial') return view
    throw new Refusal('upload-not-found', `There is no partial upload ${ids[index]} here to be joined.`, {
      facts: { partial: ids[index] },
    })
  })
}
