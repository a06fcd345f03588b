import { Refusal } from '../core/errors.ts'
import { objectKey } from '../core/object-key.ts'
import type { Clock, JobQueue, Log } from '../core/ports.ts'
import type { Database } from '../db/database.ts'
import type { BufferPool } from '../ingest/buffer-pool.ts'
import { sniffBytes } from '../ingest/detect-type.ts'
import { newHash } from '../ingest/new-hash.ts'
import { publishJobs } from '../services/publish-jobs.ts'
import { commitOrRefuse } from '../services/receive/commit.ts'
import type { ObjectStorage } from '../storage/object-storage.ts'
import { isLostUpload } from '../storage/trouble.ts'
import type { Ledger } from './ledger.ts'
import { sessionEnded } from './rules.ts'
import { RunningExamination, type WholeFile } from './running-examination.ts'
import type { Opening } from './session.ts'

export interface FinishParts {
  ledger: Ledger
  db: Database
  storage: ObjectStorage
  pool: BufferPool
  queue: JobQueue
  now: Clock
  log: Log
  /** Lets a promise outlive the answer. */
  defer(promise: Promise<unknown>): void
}

/**
 * Finishes an upload whose bytes are all here: judges the whole file, has R2 put it together, and commits it as any other
 * upload is. It may be cut off at any line and begun again. Throws a refusal of the file (`endsUpload`), one of the domain,
 * `busy` where there is no memory for the tail, or `Unavailable`; all but the first may pass.
 */
export async function finishUpload(parts: FinishParts): Promise<void> {
  const { ledger, db, queue, now, log, defer } = parts
  const { opening } = ledger
  const key = objectKey(opening.id, opening.domainId)
  const whole = await judgeWhole(ledger)
  if (whole.sha256 !== null) requirePromised(opening, whole.sha256)
  if (ledger.progress.stage === 'receiving') {
    await storeWhole(parts, key)
    ledger.note({ stage: 'stored' })
  }
  const sha256 = whole.sha256 ?? (await findDigest(parts, key))
  requirePromised(opening, sha256)
  const { offset, reservedBytes } = ledger.progress
  const file = {
    id: opening.id,
    objectKey: key,
    filename: opening.filename,
    declaredType: opening.declaredType,
    ...whole,
    sha256,
    size: offset,
    metadata: opening.metadata,
    protocol: opening.protocol,
    callbackUrl: opening.callbackUrl,
    trace: opening.trace,
    claim: { reservedBytes, isLost: false, isResumable: true },
  }
  // The claim has taken its use of the token already.
  const [upload] = await commitOrRefuse(db, { ...opening.committer, token: null }, [file], now())
  ledger.finish('committed')
  if (!upload) return
  const { id, domainId, generation, size } = upload
  defer(publishJobs({ queue, log }, [{ kind: 'process', id, domainId, generation, publish: 1, bytes: size }]))
}

/** Finishes a piece of a file: R2 has it as an object of its own, until it is joined or its time is over. */
export async function finishPartial(parts: Pick<FinishParts, 'ledger' | 'storage' | 'pool'>): Promise<void> {
  const { ledger } = parts
  const { id, domainId } = ledger.opening
  await storeWhole(parts, objectKey(id, domainId))
  ledger.finish('stored')
}

const digestReadBytes = 256 * 1024

const ofTheFile: ReadonlySet<string> = new Set([
  'file-too-large',
  'type-not-allowed',
  'type-contradicted',
  'digest-mismatch',
  'upload-deleted',
])

/** Whether an upload is over with this error: its bytes are refused, or its row is gone. Everything else may pass. */
export function endsUpload(error: unknown): boolean {
  return error instanceof Refusal && ofTheFile.has(error.code)
}

async function judgeWhole(ledger: Ledger): Promise<WholeFile> {
  const { progress, opening } = ledger
  const examination = new RunningExamination(opening, progress.examination)
  if (progress.examination.head === null) {
    // So short a file lies in the tail from its first byte to its last.
    const head = new Uint8Array(Math.min(progress.tailBytes, sniffBytes))
    ledger.readTail(head)
    await examination.judgeHead(head)
  }
  return examination.finish()
}

/** Throws `digest-mismatch` unless the file is what its client has promised, if he has. */
function requirePromised({ sha256: promised }: Opening, sha256: string): void {
  if (promised === null || promised === sha256) return
  throw new Refusal('digest-mismatch', 'The upload is not the one that its sha-256 digest promises.', {
    facts: { algorithm: 'sha-256' },
  })
}

/** Has R2 make an object of the parts and the tail. A file that never filled a part is one `put`. */
async function storeWhole(
  { ledger, storage, pool }: Pick<FinishParts, 'ledger' | 'storage' | 'pool'>,
  key: string,
): Promise<void> {
  const { tailBytes } = ledger.progress
  const lent = await pool.lend(tailBytes)
  try {
    const tail = new Uint8Array(lent.memory, 0, tailBytes)
    ledger.readTail(tail)
    await storeTail({ ledger, storage }, key, tail)
  } finally {
    pool.takeBack(lent)
  }
}

async function storeTail(
  { ledger, storage }: Pick<FinishParts, 'ledger' | 'storage'>,
  key: string,
  tail: Uint8Array,
): Promise<void> {
  const { r2UploadId, offset } = ledger.progress
  if (ledger.partCount === 0) {
    await storage.put(key, tail)
    return
  }
  const upload = r2UploadId as string
  try {
    if (tail.length > 0) ledger.keepLastPart(await storage.writePart(key, upload, ledger.partCount + 1, tail))
    await storage.completeMultipart(key, upload, ledger.etags())
  } catch (error) {
    if (!isLostUpload(error)) throw error
    // Put together by an earlier try whose answer was lost; else R2 has forgotten the upload, or a part of it.
    if ((await storage.sizeOf(key)) !== offset) throw sessionEnded()
  }
}

/** The digest of a stored object. It is kept: a commit that fails is tried again, and need not read gigabytes again. */
async function findDigest({ ledger, storage }: FinishParts, key: string): Promise<string> {
  const digest = await readDigest(storage, key)
  ledger.noteDigest(digest)
  return digest
}

/** The SHA-256 of a stored object, hexadecimal, read once in constant memory. Throws where there is no such object. */
async function readDigest(storage: ObjectStorage, key: string): Promise<string> {
  const reader = await storage.reader(key)
  if (!reader) throw sessionEnded()
  const hash = newHash('sha-256')
  for (let memory = new ArrayBuffer(digestReadBytes); ; ) {
    const { done, value } = await reader.read(new Uint8Array(memory))
    if (value) hash.update(value)
    if (done || !value) return hash.digest('hex')
    memory = value.buffer as ArrayBuffer
  }
}
