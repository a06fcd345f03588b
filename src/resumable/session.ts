import type { Jurisdiction } from '../core/jurisdiction.ts'
import type { Metadata } from '../core/metadata.ts'
import type { Policy } from '../core/policy.ts'
import type { TraceHeaders } from '../core/trace-context.ts'
import type { Protocol } from '../core/uploaded-file.ts'
import type { Committer } from '../db/uploaded-files/commit.ts'

/**
 * What an upload is for: a file; a piece of one, which is no file by itself; or the file that such pieces are joined to,
 * named by their ids in their order.
 */
export type Role =
  | { readonly kind: 'file' }
  | { readonly kind: 'partial' }
  | { readonly kind: 'joined'; readonly partialIds: readonly string[] }

/**
 * What is fixed when an upload is opened, and holds for its whole life; but the time of a piece moves to that of the file
 * which takes it up. Plain JSON; times are milliseconds since 1970.
 */
export interface Opening {
  /** The uploaded file's id, and the session's name. */
  readonly id: string
  readonly domainId: string
  readonly filename: string
  readonly declaredType: string | null
  readonly metadata: Metadata
  readonly protocol: Protocol
  /** As it was at the start, narrowed by the upload token. */
  readonly policy: Policy
  /** In whose name it is committed. */
  readonly committer: Committer
  readonly role: Role
  /** Null: the client will say it later. */
  readonly length: number | null
  /** What makes it whole: that all bytes of its length are here, or that the append said to be the last has ended. */
  readonly endsBy: 'length' | 'last-append'
  /** What all of it must hash to, in hexadecimal; null: its client has promised nothing. */
  readonly sha256: string | null
  /** Who is told how it ends; null for nobody. */
  readonly callbackUrl: string | null
  /** The request that it was opened with. */
  readonly trace: TraceHeaders
  readonly expiresAt: number
  /** What a protocol wants to be given back, such as the client's own `Upload-Metadata`. */
  readonly notes: Readonly<Record<string, string>>
}

/** Where an upload stands, as every protocol needs to know it. */
export interface SessionView {
  readonly id: string
  readonly domainId: string
  readonly protocol: Protocol
  readonly role: Role['kind']
  /** How many bytes are kept: from the first on, without a gap. */
  readonly offset: number
  /** How many will have come in all; null as long as the client has not said it. */
  readonly length: number | null
  /** How many have been received; ahead of the offset while an append runs. */
  readonly receivedBytes: number
  /** Whether nothing more can be appended: the file is committed, or the piece stored. */
  readonly isComplete: boolean
  /** The most bytes that it may have, and that one append may bring. */
  readonly maxBytes: number
  readonly maxAppendBytes: number
  readonly expiresAt: number
  readonly notes: Readonly<Record<string, string>>
}

/** One append as its request announces it. */
export interface Append {
  /** Which session it is for. */
  readonly domainId: string
  /** The one that it comes by. */
  readonly protocol: Protocol
  /** Where it goes on; it is refused unless that is the session's own offset. Null: wherever the session stands. */
  readonly offset: number | null
  /** From `Content-Length`; null when the request does not say how much it brings. */
  readonly declaredBytes: number | null
  /** The length of the whole upload, if the client says it with this append. */
  readonly length: number | null
  /** Whether the end of this body is the end of the upload. */
  readonly isLast: boolean
  /** What the bytes of this body must hash to; nothing is kept of a body that does not. */
  readonly checksum: Checksum | null
}

/** The algorithms that an append can be held against. */
export type ChecksumAlgorithm = 'sha1' | 'sha256' | 'sha512' | 'md5' | 'crc32'

export interface Checksum {
  readonly algorithm: ChecksumAlgorithm
  /** Hexadecimal. */
  readonly digest: string
}

/** What an upload was when it was given up: still to be gone on with, or accepted, and then only its session is over. */
export type EndedStage = 'open' | 'committed'

/** A domain, as far as its sessions need it to be found. */
export interface SessionDomain {
  readonly id: string
  readonly jurisdiction: Jurisdiction | null
}
