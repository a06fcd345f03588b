import { v7 as uuidv7 } from 'uuid'
import type { Domain } from '../../core/domain.ts'
import type { Refusal } from '../../core/errors.ts'
import { cleanFilename } from '../../core/filename.ts'
import { objectKey } from '../../core/object-key.ts'
import type { Protocol, UploadedFile } from '../../core/uploaded-file.ts'
import { claimFile } from '../../db/uploaded-files/claimed.ts'
import type { Committer, FileToCommit } from '../../db/uploaded-files/commit.ts'
import { type LargeFileClaim, storeFile } from '../../ingest/store-file.ts'
import type { ByteSource } from '../../multipart/byte-source.ts'
import { publishJobs } from '../publish-jobs.ts'
import { CommitUnknown, commitOrRefuse, refusalOfCommit, uploadDeleted } from './commit.ts'
import { discardClaim } from './discard-claim.ts'
import { type FingerprintPart, fingerprintOf, fingerprintPart, freeKey, type KeyedRequest } from './idempotency.ts'
import { keepOutcomes } from './kept-outcomes.ts'
import {
  type Announcement,
  type CommonDetails,
  concernsOneFile,
  type FileOutcome,
  type IntakeParts,
  type Reception,
} from './reception.ts'
import { Room } from './room.ts'

/** The idempotency key that an intake holds, and the request it stands for. */
export interface KeyedIntake {
  request: Extract<KeyedRequest, { kind: 'first' }>
  method: string
  path: string
}

/** Stores the files of one request, and accepts them by one commit. */
export class Intake implements Reception {
  readonly #parts: IntakeParts
  readonly #domain: Domain
  readonly #committer: Committer
  readonly #protocol: Protocol
  readonly #keyed: KeyedIntake | null
  readonly #room: Room
  /** What a repeat is told from other requests by; empty without a key. */
  readonly #sent: FingerprintPart[] = []
  #storedBytes = 0
  /** In the order sent: a stored file, or why it is none. */
  readonly #files: ({ stored: FileToCommit } | { filename: string; refusal: Refusal })[] = []

  constructor(parts: IntakeParts, domain: Domain, committer: Committer, protocol: Protocol, keyed: KeyedIntake | null) {
    this.#parts = parts
    this.#domain = domain
    this.#committer = committer
    this.#protocol = protocol
    this.#keyed = keyed
    this.#room = new Room(parts.db, domain)
  }

  get count(): number {
    return this.#files.length
  }

  get isRefused(): boolean {
    return this.#files.length > 0 && this.#files.every((file) => 'refusal' in file)
  }

  async take(source: ByteSource, announced: Announcement): Promise<void> {
    const id = uuidv7()
    const filename = cleanFilename(announced.filename)
    const { storage, pool, journal } = this.#parts
    const file: FileToCommit = {
      id,
      objectKey: objectKey(id, this.#domain.id),
      filename,
      declaredType: announced.declaredType,
      type: announced.declaredType ?? 'application/octet-stream',
      charset: null,
      size: announced.declaredBytes ?? 0,
      sha256: '',
      metadata: {},
      protocol: this.#protocol,
      callbackUrl: null,
      trace: journal.trace(),
      claim: null,
    }
    // A declared length was judged before the body, and is reserved where it is more than a part.
    const arriving = announced.declaredBytes === null ? this.#room.holding(source, this.#storedBytes) : source
    try {
      const findings = await storeFile(
        arriving,
        {
          ...announced,
          filename,
          key: file.objectKey,
          policy: this.#domain.policy,
        },
        { storage, pool, claim: this.#claimFor(file) },
      )
      const stored = { ...file, ...findings, sha256: findings.sha256.toHex() }
      this.#files.push({ stored })
      this.#storedBytes += stored.size
      if (this.#keyed) this.#sent.push(fingerprintPart(announced, filename, stored))
    } catch (error) {
      if (!concernsOneFile(error)) throw file.claim?.isLost ? uploadDeleted() : error
      this.#files.push({ filename, refusal: error })
      if (this.#keyed) this.#sent.push(fingerprintPart(announced, filename, { refused: error.code }))
    }
  }

  async commit(details: CommonDetails): Promise<FileOutcome[]> {
    const stored = this.#stored().map((file) => ({ ...file, ...details }))
    if (stored.length === 0) {
      await this.#giveBackKey()
      return this.#outcomes([])
    }
    const { db, now, queue, log, journal, defer } = this.#parts
    const accepted = await commitOrRefuse(db, this.#committer, stored, now(), this.#answerFor(details))
    this.#keyed?.request.stopRenewing()
    const ids = accepted.map(({ id }) => id)
    journal.note(ids.length === 1 ? { uploadId: ids[0] as string } : { uploadIds: ids })
    const jobs = accepted.map(({ id, domainId, generation, size }) => ({
      kind: 'process' as const,
      id,
      domainId,
      generation,
      publish: 1,
      bytes: size,
    }))
    defer(publishJobs({ queue, log }, jobs))
    return this.#outcomes(accepted)
  }

  /**
   * Removes what was stored, unless it may have been committed all the same. Never throws: the reconciler finishes
   * what is left.
   */
  async discard(because: unknown): Promise<void> {
    this.#keyed?.request.stopRenewing()
    if (because instanceof CommitUnknown) return
    await this.#giveBackKey()
    const stored = this.#stored()
    const { db, storage, now, log } = this.#parts
    try {
      for (const file of stored) {
        if (file.claim) await discardClaim({ db, storage, now, log }, { domainId: this.#domain.id, id: file.id })
      }
      await storage.remove(stored.flatMap((file) => (file.claim ? [] : [file.objectKey])))
    } catch (error) {
      log('warn', 'discard-failed', {
        uploadIds: stored.map((file) => file.id),
        error,
      })
    }
  }

  #outcomes(accepted: readonly UploadedFile[]): FileOutcome[] {
    const byId = new Map(accepted.map((upload) => [upload.id, upload]))
    return this.#files.map((file) => ('refusal' in file ? file : { upload: byId.get(file.stored.id) as UploadedFile }))
  }

  /** What a repeat with the same key is to be told. */
  #answerFor(details: CommonDetails) {
    if (!this.#keyed) return null
    const { request, method, path } = this.#keyed
    const fingerprint = fingerprintOf({
      method,
      path,
      ...details,
      parts: this.#sent,
    })
    return (uploads: readonly UploadedFile[]) => ({
      held: request.held,
      fingerprint,
      outcome: keepOutcomes(this.#outcomes(uploads)),
    })
  }

  async #giveBackKey(): Promise<void> {
    if (!this.#keyed) return
    this.#keyed.request.stopRenewing()
    await freeKey(this.#parts, this.#keyed.request.held)
  }

  #stored(): FileToCommit[] {
    return this.#files.flatMap((file) => ('stored' in file ? [file.stored] : []))
  }

  #claimFor(file: FileToCommit): LargeFileClaim {
    const { db, storage, now, log } = this.#parts
    return {
      open: async (r2UploadId) => {
        const { claim: _claim, sha256: _sha256, ...row } = file
        await claimFile(db, this.#committer, { ...row, r2UploadId }, now()).catch((error) => {
          throw refusalOfCommit(error) ?? error
        })
        file.claim = { reservedBytes: file.size, isLost: false }
      },
      abandon: async (r2UploadId) => {
        const wasOurs = await discardClaim({ db, storage, now, log }, { domainId: this.#domain.id, id: file.id })
        if (file.claim) file.claim.isLost = !wasOurs
        // Where the claim itself was refused there is no row, and only this request knows R2's upload.
        await storage.abortMultipart(file.objectKey, r2UploadId).catch((error) => {
          log('warn', 'abort-failed', { uploadId: file.id, error })
        })
      },
    }
  }
}
