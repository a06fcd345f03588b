import { and, eq, inArray, sql } from 'drizzle-orm'
import type { Metadata } from '../../core/metadata.ts'
import { commitWindowMs, timeOfId } from '../../core/object-key.ts'
import { transitions } from '../../core/status.ts'
import type { TraceHeaders } from '../../core/trace-context.ts'
import type { Protocol, UploadedFile } from '../../core/uploaded-file.ts'
import { compile, toStatement } from '../compiled.ts'
import type { Database } from '../database.ts'
import { admit } from '../domain-accounts.ts'
import { countUploads } from '../domain-days.ts'
import { recordLatestEvent, recordLatestEvents } from '../file-events.ts'
import { type KeptAnswer, keepAnswer } from '../idempotency-keys.ts'
import { insertRows, rowsAsJson } from '../insert-rows.ts'
import { firstPublish } from '../publishes.ts'
import { uploadedFiles } from '../schema.ts'
import { type CountedToken, takeUses } from '../token-uses.ts'
import { startTelling } from '../webhooks/progress.ts'

/** A file whose bytes R2 has, or is about to get. */
export interface FileToCommit {
  id: string
  objectKey: string
  filename: string
  declaredType: string | null
  type: string
  charset: UploadedFile['charset']
  size: number
  sha256: string
  metadata: Metadata
  protocol: Protocol
  /** Who is told once when a generation ends; null for nobody. */
  callbackUrl: string | null
  /** The request that it comes in with. */
  trace: TraceHeaders
  /** Set when the file was claimed at `uploading` before. */
  claim: {
    /** How many bytes it reserved. */
    reservedBytes: number
    /** Whether somebody deleted it. */
    isLost: boolean
    /** Whether it may be committed at any age: a resumable upload has a time of its own, at which its claim ends. */
    isResumable?: boolean
  } | null
}

/** In whose name a batch is written. */
export interface Committer {
  domainId: string
  /** The API key, or the one that made the token. */
  keyId: string | null
  token: CountedToken | null
  /** Whether nothing but the domain's openness lets it in. */
  isAnonymous: boolean
}

type NewRow = ReturnType<typeof committedRow>
const rowKeys: readonly (keyof NewRow)[] = [
  'id',
  'domainId',
  'tokenId',
  'objectKey',
  'filename',
  'declaredType',
  'type',
  'charset',
  'size',
  'sha256',
  'metadata',
  'protocol',
  'callbackUrl',
  'traceparent',
  'tracestate',
  'publishCount',
  'nextPublishAt',
  'createdAt',
  'updatedAt',
]
const placeholders = Object.fromEntries(rowKeys.map((key) => [key, sql.placeholder(key)])) as unknown as NewRow
/** What each begins with. */
const begun = { status: transitions.commit.to, lastEvent: 1 }

// Nearly every request has one file, and for one a plain statement is the quicker one.
const insertFile = compile<NewRow>((db) => db.insert(uploadedFiles).values({ ...placeholders, ...begun }))
const insertFiles = compile((db) => insertRows(db, uploadedFiles, sql.placeholder('rows')))
const recordEvent = compile((db) => recordLatestEvent(db, sql.placeholder('id')))
const recordEvents = compile((db) => recordLatestEvents(db, sql.placeholder('ids')))

/**
 * Writes the rows of all files of one request at `pending`, with their events, the domain's usage, and the first publish
 * already noted: one batch, so all or nothing, and one round trip. With an idempotency key its answer is kept too.
 * Throws a constraint violation named after a `CommitRefusal` when the domain may not have them; after any other error
 * it is open whether the batch was written.
 */
export async function commitFiles(
  db: Database,
  committer: Committer,
  files: readonly FileToCommit[],
  now: number,
  answer: KeptAnswer | null = null,
): Promise<void> {
  const claimed = files.filter((file) => file.claim !== null)
  const fresh = files.filter((file) => file.claim === null).map((file) => committedRow(committer, file, now))
  await db.$client.batch([
    admit(db, {
      ...committer,
      files: fresh.length,
      usesWanted: fresh.length,
      bytes: files.reduce((sum, file) => sum + file.size - (file.claim?.reservedBytes ?? 0), 0),
      accepted: files.length,
      claimedIds: claimed.map((file) => file.id),
      idempotency: answer?.held ?? null,
      oldestIdTime: oldestTime(committer, files, now),
      oldestAllowedAgeMs: commitWindowMs,
    }),
    countUploads(
      db,
      committer.domainId,
      { files: files.length, bytes: files.reduce((sum, { size }) => sum + size, 0) },
      now,
    ),
    ...takeStatements(db, committer, fresh.length),
    ...(files.some((file) => file.callbackUrl !== null) ? [toStatement(db, startTelling(db, committer.domainId))] : []),
    ...(answer ? [toStatement(db, keepAnswer(db, answer))] : []),
    ...claimed.map((file) => toStatement(db, settleClaim(db, file, now))),
    ...insertStatements(db, fresh),
    ...eventStatements(
      db,
      files.map((file) => file.id),
    ),
  ])
}

/**
 * When the oldest of what a batch stands on was made: an id, or the end of its token, whose uses are not counted for ever.
 * A resumable upload is as young as this request: its row is there, and is not discarded before its own time.
 */
export function oldestTime(
  { token }: Committer,
  files: readonly Pick<FileToCommit, 'id' | 'claim'>[],
  now: number,
): number {
  const times = files.map((file) => (file.claim?.isResumable ? now : timeOfId(file.id)))
  return Math.min(...times, token?.expiresAt ?? Number.POSITIVE_INFINITY)
}

/** What takes the uses of a token for so many files: none without a token, or for one that may bring as many files as it likes. A claimed file has taken its use before. */
export function takeStatements(db: Database, { domainId, token }: Committer, files: number): D1PreparedStatement[] {
  return token === null || token.uses === null || files === 0 ? [] : [takeUses(db, domainId, token, files)]
}

function insertStatements(db: Database, rows: readonly NewRow[]): D1PreparedStatement[] {
  const [only] = rows
  if (!only) return []
  if (rows.length === 1) return [insertFile(db, only)]
  return rowsAsJson(uploadedFiles, rows).map((some) => insertFiles(db, { rows: some }))
}

function eventStatements(db: Database, ids: readonly string[]): D1PreparedStatement[] {
  const [only] = ids
  if (!only) return []
  return [ids.length === 1 ? recordEvent(db, { id: only }) : recordEvents(db, { ids: JSON.stringify(ids) })]
}

/** Which of these files are committed: the answer to a commit whose outcome is unknown. */
export async function whichAreCommitted(db: Database, domainId: string, ids: readonly string[]): Promise<Set<string>> {
  const rows = await db
    .select({ id: uploadedFiles.id })
    .from(uploadedFiles)
    .where(
      and(
        eq(uploadedFiles.domainId, domainId),
        sql`${uploadedFiles.id} IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`,
        sql`${uploadedFiles.status} NOT IN ('uploading', 'deleted')`,
      ),
    )
  return new Set(rows.map((row) => row.id))
}

function committedRow(committer: Committer, { claim: _, trace, ...file }: FileToCommit, now: number) {
  return {
    ...file,
    ...trace,
    domainId: committer.domainId,
    tokenId: committer.token?.tokenId ?? null,
    ...begun,
    ...firstPublish(now),
    createdAt: timeOfId(file.id),
    updatedAt: now,
  }
}

function settleClaim(db: Database, file: FileToCommit, now: number) {
  return db
    .update(uploadedFiles)
    .set({
      status: transitions.commit.to,
      r2UploadId: null,
      expiresAt: null,
      type: file.type,
      charset: file.charset,
      size: file.size,
      sha256: file.sha256,
      metadata: file.metadata,
      callbackUrl: file.callbackUrl,
      ...firstPublish(now),
      lastEvent: sql`last_event + 1`,
      updatedAt: now,
    })
    .where(and(eq(uploadedFiles.id, file.id), inArray(uploadedFiles.status, transitions.commit.from)))
}

/** The file as `commitFiles` with the same arguments has written it, without reading it again. */
export function committedFile(committer: Committer, { claim, ...file }: FileToCommit, now: number): UploadedFile {
  return {
    ...file,
    domainId: committer.domainId,
    status: transitions.commit.to,
    generation: 1,
    attempts: 0,
    leaseNumber: 0,
    failure: null,
    lastEvent: claim ? 2 : 1,
    createdAt: timeOfId(file.id),
    updatedAt: now,
    completedAt: null,
  }
}
