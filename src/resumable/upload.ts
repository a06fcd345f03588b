import type { Located } from '../core/jurisdiction.ts'
import { objectKey } from '../core/object-key.ts'
import { partBytesFor } from '../core/part-size.ts'
import type { Watchers } from '../core/ports.ts'
import type { RequestBody } from '../ingest/request-body.ts'
import type { ByteReader } from '../multipart/byte-source.ts'
import type { IntakeParts } from '../services/receive/reception.ts'
import { appendBody } from './append-body.ts'
import { claimUpload, ensureMultipart, reserveUpTo } from './claim.ts'
import { discardSession } from './discard-session.ts'
import { endsUpload, finishPartial, finishUpload } from './finish-upload.ts'
import { type JoinParts, joinNext, removeJoinedPieces, type TakePieces } from './join-partials.ts'
import type { Ledger } from './ledger.ts'
import { Received } from './received.ts'
import { admitAppend, agreedLength, notAppendable, Overshoot, superseded } from './rules.ts'
import { RunningExamination } from './running-examination.ts'
import type { Append, EndedStage, Opening, SessionView } from './session.ts'
import { isComplete, isJoined, isPartial, isWhole, viewOf } from './standing.ts'
import type { Fence } from './turns.ts'

/** How soon a file is committed by itself whose bytes are all here, but whose commit has failed or was cut off. */
const finishAgainMs = 5 * 60_000

export interface UploadParts extends IntakeParts, Located {
  /** The others: a file is joined of what they hold. */
  sessions: JoinParts['sessions']
  watchers: Pick<Watchers, 'progress'>
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
  readonly #received: Received

  constructor(parts: UploadParts) {
    this.#parts = parts
    this.#ledger = parts.ledger
    this.#received = new Received(parts)
  }

  /** Where it stands, without disturbing anything. */
  view(): SessionView {
    return viewOf(this.#ledger, this.#received.bytes)
  }

  /**
   * Begins it: claims its row, and finishes it at once when nothing more is to come. What fails for now while pieces are
   * joined is no failure of the opening: it goes on by itself.
   */
  async open(opening: Opening, fence: Fence): Promise<SessionView> {
    if (!this.#ledger.exists) {
      await claimUpload(this.#parts, opening)
      const partBytes = partBytesFor(opening.length ?? opening.policy.maxFileBytes)
      this.#ledger.open(opening, partBytes, {
        length: opening.length,
        hasEnded: false,
        offset: 0,
        tailBytes: 0,
        r2UploadId: null,
        reservedBytes: opening.length ?? 0,
        examination: new RunningExamination(opening).save(),
        pieces: null,
        stage: 'receiving',
      })
      await this.#parts.wakeAt(opening.expiresAt)
    }
    try {
      await this.#advance(fence)
    } catch (error) {
      if (!this.#ledger.exists || !isJoined(this.#ledger)) throw error
      this.#parts.log('warn', 'join-failed', { uploadId: opening.id, error })
    }
    return this.view()
  }

  /** Takes the body of one append. It ends early, keeping what it has, when the fence is raised. */
  async append(body: RequestBody, append: Append, fence: Fence): Promise<SessionView | null> {
    if (!(await this.#isLive())) return null
    if (fence.isRaised) throw superseded()
    if (isJoined(this.#ledger)) throw notAppendable()
    const { length, mostBytes, refuseMore } = await this.#admit(append)
    await this.#agreeOn(length)
    body.holdTo(mostBytes, () => refuseMore(mostBytes + 1))
    body.hurryWhile(() => this.#parts.pool.isContended)
    let interruption: unknown = null
    try {
      if (!isComplete(this.#ledger) && (append.declaredBytes !== 0 || append.checksum))
        await this.#take(body, append, fence)
      if (append.isLast) await this.#noteEnd()
    } catch (error) {
      if (this.#isOver(error)) await this.#fail(error)
      interruption = error
    }
    await this.#finishIfWhole()
    if (interruption) throw interruption
    return this.view()
  }

  /** Where it stands once all that has been sent is dealt with: a whole file is committed first. */
  async settle(fence: Fence): Promise<SessionView | null> {
    if (!(await this.#isLive())) return null
    await this.#advance(fence)
    return this.view()
  }

  /** Lets it live until this time at least, in milliseconds since 1970. Returns whether it is there. */
  async keepUntil(time: number): Promise<boolean> {
    if (!(await this.#isLive())) return false
    const expiresAt = Math.max(time, this.#ledger.opening.expiresAt)
    this.#ledger.prolong(expiresAt)
    await this.#parts.wakeAt(expiresAt)
    return true
  }

  /** Gives it up: its row, its parts, and all that is known of it. A committed file stays. Returns what there was. */
  async end(): Promise<EndedStage | null> {
    if (!(await this.#isLive())) return null
    const isCommitted = this.#ledger.progress.stage === 'committed'
    await discardSession(this.#parts)
    return isCommitted ? 'committed' : 'open'
  }

  /** Time has come: to go on joining, to try a commit again, or to end. */
  async wake(fence: Fence): Promise<void> {
    if (!this.#ledger.exists) return
    const { id, expiresAt } = this.#ledger.opening
    if (!(await this.#isLive())) return
    try {
      await this.#advance(fence, { isAlarm: true })
      // What is still to be joined, or to be removed, has set when it goes on.
      if (!isJoined(this.#ledger) || this.#ledger.progress.pieces?.length === 0) await this.#parts.wakeAt(expiresAt)
    } catch (error) {
      // Unless it is over, it has set when it tries again.
      this.#parts.log('warn', 'finish-failed', { uploadId: id, error })
    }
  }

  /** Does what can be done without anything more being sent. */
  async #advance(fence: Fence, { isAlarm = false } = {}): Promise<void> {
    if (isJoined(this.#ledger) && !isWhole(this.#ledger)) {
      const take: TakePieces = (body, bytes) => this.#take(body, { declaredBytes: bytes, checksum: null }, fence)
      await joinNext(this.#parts, { take, isAlarm }).catch((error) => this.#fail(error))
    }
    await this.#finishIfWhole()
    if (isJoined(this.#ledger) && isComplete(this.#ledger)) await removeJoinedPieces(this.#parts)
  }

  async #take(body: ByteReader, append: Pick<Append, 'declaredBytes' | 'checksum'>, fence: Fence): Promise<void> {
    const { storage, pool } = this.#parts
    const { id, domainId } = this.#ledger.opening
    const prepare = async (upTo: number) => {
      await reserveUpTo(this.#parts, upTo)
      await ensureMultipart(this.#parts)
    }
    const onReceived = (bytes: number) => this.#received.note(this.#ledger, bytes)
    const parts = { ledger: this.#ledger, storage, pool, objectKey: objectKey(id, domainId), prepare, onReceived }
    try {
      await appendBody(body, append, parts, fence)
    } finally {
      this.#received.end()
    }
  }

  /** Whether it may begin; one that would go too far for its protocol ends the upload. */
  async #admit(append: Append) {
    const { opening, progress } = this.#ledger
    try {
      return admitAppend({ ...progress, isComplete: isComplete(this.#ledger) }, append, opening)
    } catch (error) {
      if (this.#isTooFar(error)) await discardSession(this.#parts)
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

  async #finishIfWhole(): Promise<void> {
    if (!isWhole(this.#ledger) || isComplete(this.#ledger)) return
    const { now, wakeAt } = this.#parts
    await wakeAt(now() + finishAgainMs)
    const finishing = isPartial(this.#ledger) ? finishPartial(this.#parts) : finishUpload(this.#parts)
    await finishing.catch((error) => this.#fail(error))
    await wakeAt(this.#ledger.opening.expiresAt)
  }

  /** Whether it is there, and its time is not over; what is over is ended here. */
  async #isLive(): Promise<boolean> {
    if (!this.#ledger.exists) return false
    if (this.#parts.now() < this.#ledger.opening.expiresAt) return true
    await discardSession(this.#parts)
    return false
  }

  /** The draft wants an upload ended of which more comes than was said; in tus only the append is wrong. */
  #isTooFar(error: unknown): boolean {
    return error instanceof Overshoot && this.#ledger.opening.protocol === 'resumable'
  }

  #isOver(error: unknown): boolean {
    return endsUpload(error) || this.#isTooFar(error)
  }

  /** Throws the error, once the upload is ended where that is its end. */
  async #fail(error: unknown): Promise<never> {
    if (this.#isOver(error)) await discardSession(this.#parts)
    throw error
  }
}
