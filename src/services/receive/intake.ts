import { v7 as uuidv7 } from 'uuid'
import type { ExpectedDigests } from '../../core/digest.ts'
import type { Domain } from '../../core/domain.ts'
import { Refusal } from '../../core/errors.ts'
import { cleanFilename } from '../../core/filename.ts'
import type { Metadata } from '../../core/metadata.ts'
import { objectKey } from '../../core/object-key.ts'
import type { Clock, JobQueue, Log } from '../../core/ports.ts'
import type { Protocol, UploadedFile } from '../../core/uploaded-file.ts'
import type { Database } from '../../db/database.ts'
import { type Committer, claimFile, type FileToCommit } from '../../db/uploaded-files/commit.ts'
import type { BufferPool } from '../../ingest/buffer-pool.ts'
import { type LargeFileClaim, storeFile } from '../../ingest/store-file.ts'
import type { ByteSource } from '../../multipart/byte-source.ts'
import type { ObjectStorage } from '../../storage/object-storage.ts'
import { publishJobs } from '../publish-jobs.ts'
import { CommitUnknown, commitOrRefuse, refusalOfCommit } from './commit.ts'
import { discardClaim } from './discard-claim.ts'

/** What receiving needs: the domain's own database and bucket, and what the whole isolate shares. */
export interface IntakeParts {
  db: Database
  storage: ObjectStorage
  pool: BufferPool
  queue: JobQueue
  now: Clock
  log: Log
  /** Lets a promise outlive the answer. */
  defer(promise: Promise<unknown>): void
}

/** A file as the request announces it. */
export interface Announcement {
  filename: string
  /** The essence of its declared type; null when there is none. */
  declaredType: string | null
  digests: ExpectedDigests
  /** The most bytes it can have, as far as that is known. */
  atMostBytes: number | null
  /** Its exact length, where the protocol says it; that much quota is reserved for a large file while it arrives. */
  declaredBytes: number | null
}

/** What became of one file of a request. */
export type FileOutcome = { upload: UploadedFile } | { filename: string; refusal: Refusal }

/** The files of one request on their way to one commit. Either `commit` or `discard` ends it. */
export class Intake {
  readonly #parts: IntakeParts
  readonly #domain: Domain
  readonly #committer: Committer
  readonly #protocol: Protocol
  /** In the order sent: a stored file, or why it is none. */
  readonly #files: ({ stored: FileToCommit } | { filename: string; refusal: Refusal })[] = []

  constructor(parts: IntakeParts, domain: Domain, keyId: string | null, protocol: Protocol) {
    this.#parts = parts
    this.#domain = domain
    this.#committer = { domainId: domain.id, keyId }
    this.#protocol = protocol
  }

  get count(): number {
    return this.#files.length
  }

  /**
   * Stores one file. A refusal that concerns this file alone is noted as its outcome; what concerns the whole request
   * (the body broke off, the domain may not accept) is thrown.
   */
  async take(source: ByteSource, announced: Announcement): Promise<void> {
    const id = uuidv7()
    const filename = cleanFilename(announced.filename)
    const { storage, pool } = this.#parts
    const file: FileToCommit = {
      id,
      objectKey: objectKey(id, this.#domain.id),
      filename,
      declaredType: announced.declaredType,
      type: announced.declaredType ?? 'application/octet-stream',
      size: announced.declaredBytes ?? 0,
      sha256: '',
      metadata: {},
      protocol: this.#protocol,
      claim: null,
    }
    try {
      const findings = await storeFile(
        source,
        { ...announced, filename, key: file.objectKey, policy: this.#domain.policy },
        { storage, pool, claim: this.#claimFor(file) },
      )
      this.#files.push({ stored: { ...file, ...findings, sha256: hex(findings.sha256) } })
    } catch (error) {
      if (!(error instanceof Refusal && concernsOneFile.has(error.code))) throw error
      this.#files.push({ filename, refusal: error })
    }
  }

  /** Accepts every stored file in one batch and has their jobs published. Returns one outcome a file, in the order sent. */
  async commit(metadata: Metadata): Promise<FileOutcome[]> {
    const stored = this.#stored().map((file) => ({ ...file, metadata }))
    const { db, now, queue, log, defer } = this.#parts
    const accepted = stored.length === 0 ? [] : await commitOrRefuse(db, this.#committer, stored, now())
    const jobs = accepted.map(({ id, domainId, generation }) => ({ id, domainId, generation, publish: 1 }))
    defer(publishJobs({ queue, log }, jobs))
    const byId = new Map(accepted.map((upload) => [upload.id, upload]))
    return this.#files.map((file) => ('refusal' in file ? file : { upload: byId.get(file.stored.id) as UploadedFile }))
  }

  /**
   * Removes what was stored for a request that ended with this error, unless it may have been committed all the same.
   * Never throws: the reconciler finishes the rest.
   */
  async discard(because: unknown): Promise<void> {
    if (because instanceof CommitUnknown) return
    const stored = this.#stored()
    const { db, storage, now, log } = this.#parts
    try {
      await storage.remove(stored.map((file) => file.objectKey))
      for (const file of stored) {
        if (file.claim) await discardClaim({ db, storage, now, log }, { domainId: this.#domain.id, id: file.id })
      }
    } catch (error) {
      log('warn', 'discard-failed', { uploadIds: stored.map((file) => file.id), error })
    }
  }

  #stored(): FileToCommit[] {
    return this.#files.flatMap((file) => ('stored' in file ? [file.stored] : []))
  }

  #claimFor(file: FileToCommit): LargeFileClaim {
    const { db, storage, now, log } = this.#parts
    return {
      open: async (r2UploadId) => {
        file.claim = { reservedBytes: file.size }
        const { claim: _claim, sha256: _sha256, ...row } = file
        await claimFile(db, this.#committer, { ...row, r2UploadId }, now()).catch((error) => {
          throw refusalOfCommit(error) ?? error
        })
      },
      abandon: async (r2UploadId) => {
        await discardClaim({ db, storage, now, log }, { domainId: this.#domain.id, id: file.id })
        // Where the claim itself was refused there is no row, and only this request knows R2's upload.
        await storage.abortMultipart(file.objectKey, r2UploadId).catch((error) => {
          log('warn', 'abort-failed', { uploadId: file.id, error })
        })
      },
    }
  }
}

/** A file with one of these is left out, and the others of its request go on. */
const concernsOneFile: ReadonlySet<string> = new Set([
  'file-too-large',
  'type-not-allowed',
  'type-contradicted',
  'digest-mismatch',
])

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
