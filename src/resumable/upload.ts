import { objectKey } from '../core/object-key.ts'
import { partBytesFor } from '../core/part-size.ts'
import { findFile } from '../db/uploaded-files/reads.ts'
import type { RequestBody } from '../ingest/request-body.ts'
import { discardClaim } from '../services/receive/discard-claim.ts'
import type { IntakeParts } from '../services/receive/reception.ts'
import { appendBody } from './append-body.ts'
import { claimUpload, ensureMultipart, reserveUpTo } from './claim.ts'
import { endsUpload, finishUpload } from './finish-upload.ts'
import type { Ledger } from './ledger.ts'
import { admitAppend, agreedLength, Overshoot, superseded } from './rules.ts'
import { RunningExamination } from './running-examination.ts'
import type { Append, Opening, SessionView } from './session.ts'
import type { Fence } from './turns.ts'

/** How soon a file is committed by itself whose bytes are all here, but whose commit has failed or was cut off. */
const finishAgainMs = 5 * 60_000

export interface UploadParts extends IntakeParts {
  ledger: Ledger
  /** Has `wake` called at this time, in milliseconds since 1970; the time set last is the one that counts. */
  wakeAt(time: number): Promise<void>
}

/**
 * One resumable upload, from its opening to its commit. Its methods are called one at a time, but for `view`. Each throws
 * a `Refusal`, or `Unavailable`; what is kept by then stays kept.
 */
export class Upload {
  readonly #parts: UploadParts
  readonly #ledger: Ledger
  /** While an append runs. */
  #receivedBytes = 0

  constructor(parts: UploadParts) {
    this.#parts = parts
    this.#ledger = parts.ledger
  }

  /** Where it stands, without disturbing anything. */
  view(): SessionView {
    const ledger = this.#ledger
    const { id, domainId, protocol, policy, expiresAt, notes } = ledger.opening
    const { offset, length, stage } = ledger.progress
    const receivedBytes = Math.max(offset, this.#receivedBytes)
    const isComplete = stage === 'committed'
    const limits = { maxBytes: policy.maxFileBytes, maxAppendBytes: policy.maxRequestBytes }
    return { id, domainId, protocol, offset, length, receivedBytes, isComplete, ...limits, expiresAt, notes }
  }

  /** Begins it: claims its row, and finishes it at once when it has no bytes. */
  async open(opening: Opening): Promise<SessionView> {
    if (!this.#ledger.exists) {
      await claimUpload(this.#parts, opening)
      const partBytes = partBytesFor(opening.length ?? opening.policy.maxFileBytes, 0)
      this.#ledger.open(opening, partBytes, {
        length: opening.length,
        hasEnded: false,
        offset: 0,
        tailBytes: 0,
        r2UploadId: null,
        reservedBytes: opening.length ?? 0,
        examination: new RunningExamination(opening).save(),
        stage: 'receiving',
      })
      await this.#parts.wakeAt(opening.expiresAt)
    }
    await this.#finishIfWhole()
    return this.view()
  }

  /** Takes the body of one append. It ends early, keeping what it has, when the fence is raised. */
  async append(body: RequestBody, append: Append, fence: Fence): Promise<SessionView | null> {
    if (!(await this.#isLive())) return null
    if (fence.isRaised) throw superseded()
    const { opening, progress } = this.#ledger
    if (opening.protocol !== append.protocol) return null
    const { length, mostBytes, refuseMore } = await this.#admit(append)
    await this.#agreeOn(length)
    body.holdTo(mostBytes, () => refuseMore(mostBytes + 1))
    let interruption: unknown = null
    try {
      if (progress.stage !== 'committed' && (append.declaredBytes !== 0 || append.checksum))
        await this.#take(body, append, fence)
      if (append.isLast) await this.#noteEnd()
    } catch (error) {
      await this.#endIfOver(error)
      interruption = error
    }
    await this.#finishIfWhole()
    if (interruption) throw interruption
    return this.view()
  }

  /** Where it stands once all that has been sent is dealt with: a whole file is committed first. */
  async settle(): Promise<SessionView | null> {
    if (!(await this.#isLive())) return null
    await this.#finishIfWhole()
    return this.view()
  }

  /** Gives it up: its row, its parts, and all that is known of it. A committed file stays. Returns whether there was one. */
  async end(): Promise<boolean> {
    if (!(await this.#isLive())) return false
    const wasOpen = this.#ledger.progress.stage !== 'committed'
    await this.#discard()
    return wasOpen
  }

  /** Time has come: to try a commit again, or to end. */
  async wake(): Promise<void> {
    if (!this.#ledger.exists) return
    const { id, expiresAt } = this.#ledger.opening
    if (!(await this.#isLive())) return
    try {
      await this.#finishIfWhole()
      await this.#parts.wakeAt(expiresAt)
    } catch (error) {
      // Unless it is over, it has set when it tries again.
      this.#parts.log('warn', 'finish-failed', { uploadId: id, error })
    }
  }

  async #take(body: RequestBody, append: Append, fence: Fence): Promise<void> {
    const { storage, pool } = this.#parts
    const { id, domainId } = this.#ledger.opening
    const prepare = async (upTo: number) => {
      await reserveUpTo(this.#parts, upTo)
      await ensureMultipart(this.#parts)
    }
    const onReceived = (bytes: number) => {
      this.#receivedBytes = bytes
    }
    const parts = { ledger: this.#ledger, storage, pool, objectKey: objectKey(id, domainId), prepare, onReceived }
    try {
      await appendBody(body, append, parts, fence)
    } finally {
      this.#receivedBytes = 0
    }
  }

  /** Whether it may begin; one that would go too far for its protocol ends the upload. */
  async #admit(append: Append) {
    const { opening, progress } = this.#ledger
    try {
      return admitAppend({ ...progress, isComplete: progress.stage === 'committed' }, append, opening)
    } catch (error) {
      if (this.#isTooFar(error)) await this.#discard()
      throw error
    }
  }

  /** The append that was said to be the last has come to its end: what is here now is all of it. */
  async #noteEnd(): Promise<void> {
    const { progress } = this.#ledger
    await this.#agreeOn(agreedLength(progress, progress.offset))
    this.#ledger.note({ hasEnded: true })
  }

  /** Writes the length down, once it is known, and reserves it. */
  async #agreeOn(length: number | null): Promise<void> {
    if (length === null || length === this.#ledger.progress.length) return
    await reserveUpTo(this.#parts, length)
    this.#ledger.note({ length })
  }

  get #isWhole(): boolean {
    const { offset, length, hasEnded } = this.#ledger.progress
    return offset === length && (hasEnded || this.#ledger.opening.endsBy === 'length')
  }

  async #finishIfWhole(): Promise<void> {
    if (!this.#isWhole || this.#ledger.progress.stage === 'committed') return
    const { now, wakeAt } = this.#parts
    await wakeAt(now() + finishAgainMs)
    try {
      await finishUpload(this.#parts)
    } catch (error) {
      await this.#endIfOver(error)
      throw error
    }
    await wakeAt(this.#ledger.opening.expiresAt)
  }

  /** Whether it is there, and its time is not over; what is over is ended here. */
  async #isLive(): Promise<boolean> {
    if (!this.#ledger.exists) return false
    if (this.#parts.now() < this.#ledger.opening.expiresAt) return true
    await this.#discard()
    return false
  }

  /** The draft wants an upload ended of which more comes than was said; in tus only the append is wrong. */
  #isTooFar(error: unknown): boolean {
    return error instanceof Overshoot && this.#ledger.opening.protocol === 'resumable'
  }

  async #endIfOver(error: unknown): Promise<void> {
    if (endsUpload(error) || this.#isTooFar(error)) {
      await this.#discard()
      throw error
    }
  }

  async #discard(): Promise<void> {
    const { opening, progress } = this.#ledger
    if (progress.stage !== 'committed') {
      await discardClaim(this.#parts, opening)
      await this.#removeUnknown().catch((error) => {
        // The walk over the bucket finds an object, and the bucket's lifecycle rule ends an upload.
        this.#parts.log('warn', 'discard-session-failed', { uploadId: opening.id, error })
      })
    }
    await this.#ledger.clear()
  }

  /** Removes what R2 holds where the row is gone, so that only this session knows of it. */
  async #removeUnknown(): Promise<void> {
    const { storage, db } = this.#parts
    const { id, domainId } = this.#ledger.opening
    const { r2UploadId, stage } = this.#ledger.progress
    const key = objectKey(id, domainId)
    if (r2UploadId !== null) await storage.abortMultipart(key, r2UploadId)
    // A row may say that the file is accepted after all; one that is deleted has its object removed.
    if (stage === 'stored' && !(await findFile(db, domainId, id))) await storage.remove([key])
  }
}
