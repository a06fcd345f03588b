import { Refusal } from '../core/errors.ts'
import type { Located } from '../core/jurisdiction.ts'
import { timeOfId } from '../core/object-key.ts'
import type { Clock, Log } from '../core/ports.ts'
import type { Database } from '../db/database.ts'
import { takeOverReservations } from '../db/uploaded-files/claimed.ts'
import { fileTooLarge } from '../ingest/examination.ts'
import type { ByteReader } from '../multipart/byte-source.ts'
import { uploadDeleted } from '../services/receive/commit.ts'
import type { ObjectStorage } from '../storage/object-storage.ts'
import type { Ledger } from './ledger.ts'
import { PieceReader } from './piece-reader.ts'
import { sessionEnded } from './rules.ts'
import type { Opening, SessionView } from './session.ts'
import type { Sessions } from './sessions.ts'

/** At most so many bytes are joined before an answer, and in one go of the alarm. */
const joinedAtOnceBytes = 64 * 1024 * 1024

/** How soon joining goes on by itself after a failure. */
const joinAgainMs = 30_000

/** A file looks by itself for pieces that it waits for: first after `joinAgainMs`, then ever more rarely, up to this. */
const longestWaitMs = 10 * 60_000

/** How soon it is tried again to remove the pieces of a file that is accepted. */
const removeAgainMs = 5 * 60_000

export interface JoinParts extends Located {
  ledger: Ledger
  db: Database
  sessions: Pick<Sessions, 'view' | 'keepUntil' | 'end'>
}

/** Appends so many bytes to the file, keeping what it has when a newer request interrupts it; then it throws `append-superseded`. */
export type TakePieces = (body: ByteReader, bytes: number) => Promise<void>

/**
 * Joins the next pieces, if all have come in: only what an answer can wait for, and more in the alarm, which goes on with
 * the rest. That is set before anything can fail. Throws what is against the file, or failed for now.
 */
export async function joinNext(
  parts: JoinParts & { storage: ObjectStorage; now: Clock; wakeAt(time: number): Promise<void> },
  { take, isAlarm }: { take: TakePieces; isAlarm: boolean },
): Promise<void> {
  const { ledger, storage, now, wakeAt } = parts
  await wakeAt(now() + nextLookMs(ledger, now()))
  if (!(await gatherPieces(parts))) return
  const { offset, length, pieces } = ledger.progress
  if (pieces === null || length === null || offset === length) return
  const to = Math.min(length, offset + joinedAtOnceBytes)
  if (to < length) await wakeAt(now())
  if (to < length && !isAlarm) return
  const reader = new PieceReader({ storage, domainId: ledger.opening.domainId }, pieces, { from: offset, to })
  try {
    await take(reader, to - offset)
  } catch (error) {
    if (!(error instanceof Refusal && error.code === 'append-superseded')) throw error
    await wakeAt(now())
  } finally {
    await reader.cancel()
  }
}

/** A quarter of the time that it has waited already: to look wakes the sessions of all pieces. */
function nextLookMs({ opening, progress }: Ledger, time: number): number {
  if (progress.pieces !== null) return joinAgainMs
  return Math.min(Math.max((time - timeOfId(opening.id)) / 4, joinAgainMs), longestWaitMs)
}

/**
 * Looks whether all pieces of a file have come in. Its length is the sum of theirs, known as soon as theirs are; once they
 * are complete, they live as long as the file, which takes over what they have reserved. It may be cut off at any line and
 * begun again. Returns whether they can be joined now. Throws `upload-deleted` where one is gone, which will never come,
 * or is joined to another file, and `file-too-large`.
 */
async function gatherPieces(parts: JoinParts): Promise<boolean> {
  const { ledger, db, sessions, jurisdiction } = parts
  if (ledger.progress.pieces !== null) return true
  const { opening } = ledger
  const domain = { id: opening.domainId, jurisdiction }
  const partialIds = partialIdsOf(opening)
  const views = await Promise.all(partialIds.map((id) => sessions.view(domain, id)))
  const found = views.filter((view) => view?.role === 'partial') as SessionView[]
  if (found.length < views.length) throw sessionEnded()
  const length = joinedLength(found, opening)
  if (length !== null) ledger.note({ length })
  if (length === null || !found.every((view) => view.isComplete)) return false
  // Before they are taken: of those that are, none may end by itself any more.
  const kept = await Promise.all(partialIds.map((id) => sessions.keepUntil(domain, id, opening.expiresAt)))
  if (kept.includes(false)) throw sessionEnded()
  const reservedBytes = await takeOverReservations(db, opening, {
    partialIds,
    bytes: length,
    expiresAt: opening.expiresAt,
  })
  if (reservedBytes === null) throw uploadDeleted()
  // They are another file's, which was asked for as well: a piece serves once.
  if (reservedBytes !== length) throw sessionEnded()
  ledger.note({ reservedBytes, pieces: found.map(({ id, offset }) => ({ id, bytes: offset })) })
  return true
}

/** How long a file of these pieces is; null as long as one has not said its length. Throws `file-too-large`. */
export function joinedLength(
  pieces: readonly Pick<SessionView, 'length' | 'offset'>[],
  { filename, policy }: Pick<Opening, 'filename' | 'policy'>,
): number | null {
  const atLeast = pieces.reduce((sum, { length, offset }) => sum + (length ?? offset), 0)
  if (atLeast > policy.maxFileBytes) throw fileTooLarge(filename, policy.maxFileBytes, atLeast)
  return pieces.every(({ length }) => length !== null) ? atLeast : null
}

/** Removes the pieces of a file that is joined, or will never be. Of one that fails, its own session takes care in time. */
export async function removePieces({ ledger, sessions, jurisdiction }: JoinParts): Promise<void> {
  const { opening, progress } = ledger
  if (!progress.pieces?.length) return
  const domain = { id: opening.domainId, jurisdiction }
  await Promise.all(progress.pieces.map(({ id }) => sessions.end(domain, id)))
  ledger.note({ pieces: [] })
}

/** The same for a file that is accepted, whether this succeeds or not: it is tried again. */
export async function removeJoinedPieces(
  parts: JoinParts & { now: Clock; log: Log; wakeAt(time: number): Promise<void> },
): Promise<void> {
  const { ledger, now, wakeAt, log } = parts
  await removePieces(parts).catch(async (error) => {
    log('warn', 'pieces-not-removed', { uploadId: ledger.opening.id, error })
    await wakeAt(now() + removeAgainMs)
  })
}

function partialIdsOf({ role }: Opening): readonly string[] {
  return role.kind === 'joined' ? role.partialIds : []
}
