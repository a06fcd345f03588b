import type { SavedExamination } from './running-examination.ts'
import type { Opening } from './session.ts'

/** SQLite in a Durable Object takes rows of at most 2 MB. */
const tailRowBytes = 1024 * 1024

/** What changes while an upload comes in. Plain JSON; whatever it says is on disk. */
export interface Progress {
  readonly length: number | null
  /** Whether the append that was said to be the last has come to its end. */
  readonly hasEnded: boolean
  /** How many bytes are kept: those of all parts, and the tail. */
  readonly offset: number
  /** How many of them are not yet in R2. Always fewer than a part has. */
  readonly tailBytes: number
  /** R2's id of the multipart upload, once there is a first part. */
  readonly r2UploadId: string | null
  /** How many bytes the row has reserved against the quota. */
  readonly reservedBytes: number
  /** What is known of the bytes up to the offset. */
  readonly examination: SavedExamination
  /** Of a file to be joined: its pieces, once all have come in; none any more once they are removed. */
  readonly pieces: readonly Piece[] | null
  /** `stored`: R2 has the whole object. `committed`: the file is accepted. */
  readonly stage: 'receiving' | 'stored' | 'committed'
}

/** A partial upload that has come in, as it is joined. */
export interface Piece {
  readonly id: string
  readonly bytes: number
}

interface Known {
  opening: Opening
  partBytes: number
  progress: Progress
}

/**
 * What one session has on disk: its opening, its progress, R2's answers for its parts, and the bytes that are too few for a
 * part. Each method is one transaction, so that an offset never names bytes that are not there.
 */
export class Ledger {
  readonly #storage: DurableObjectStorage
  /** What the disk says; null where there is no session. */
  #known: Known | null | undefined

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage
  }

  /** Whether there is a session. */
  get exists(): boolean {
    return this.#read() !== null
  }

  get opening(): Opening {
    return this.#require().opening
  }

  /** The size of all parts but the last, for the upload's whole life. */
  get partBytes(): number {
    return this.#require().partBytes
  }

  get progress(): Progress {
    return this.#require().progress
  }

  open(opening: Opening, partBytes: number, progress: Progress): void {
    this.#storage.transactionSync(() => {
      const { sql } = this.#storage
      sql.exec('CREATE TABLE session (opening TEXT NOT NULL, part_bytes INTEGER NOT NULL, progress TEXT NOT NULL)')
      sql.exec('CREATE TABLE parts (number INTEGER PRIMARY KEY, etag TEXT NOT NULL)')
      sql.exec('CREATE TABLE tail (number INTEGER PRIMARY KEY, bytes BLOB NOT NULL)')
      sql.exec('INSERT INTO session VALUES (?, ?, ?)', JSON.stringify(opening), partBytes, JSON.stringify(progress))
    })
    this.#known = { opening, partBytes, progress }
  }

  /** Moves the time at which the session ends. */
  prolong(expiresAt: number): void {
    const known = this.#require()
    const opening = { ...known.opening, expiresAt }
    this.#storage.sql.exec('UPDATE session SET opening = ?', JSON.stringify(opening))
    this.#known = { ...known, opening }
  }

  /** Writes down what has changed beside the bytes. */
  note(change: Partial<Omit<Progress, 'offset' | 'tailBytes' | 'examination'>>): void {
    this.#write({ ...this.progress, ...change })
  }

  /** Writes the digest of the whole file down, hexadecimal, which its bytes had not told as they came. */
  noteDigest(digest: string): void {
    const { progress } = this
    this.#write({ ...progress, examination: { ...progress.examination, sha256: { digest } } })
  }

  /**
   * Keeps parts that R2 has confirmed, which have taken the tail up, and then the bytes that came after them. All at once,
   * or nothing.
   */
  keep(parts: readonly string[], tail: Uint8Array, examination: SavedExamination): void {
    const { progress, partBytes } = this
    this.#storage.transactionSync(() => {
      const { sql } = this.#storage
      for (const etag of parts) sql.exec('INSERT INTO parts (etag) VALUES (?)', etag)
      if (parts.length > 0) sql.exec('DELETE FROM tail')
      for (let at = 0; at < tail.length; at += tailRowBytes) {
        // A copy: what is bound is the whole ArrayBuffer of a view otherwise.
        sql.exec('INSERT INTO tail (bytes) VALUES (?)', tail.slice(at, at + tailRowBytes).buffer)
      }
      const offset = parts.length > 0 ? this.partCount * partBytes + tail.length : progress.offset + tail.length
      const tailBytes = tail.length + (parts.length > 0 ? 0 : progress.tailBytes)
      this.#write({ ...progress, offset, tailBytes, examination })
    })
  }

  /** Keeps the last part, which may be of any size: R2 then has all bytes. */
  keepLastPart(etag: string): void {
    this.#storage.transactionSync(() => {
      this.#storage.sql.exec('INSERT INTO parts (etag) VALUES (?)', etag)
      this.#storage.sql.exec('DELETE FROM tail')
      this.#write({ ...this.progress, tailBytes: 0 })
    })
  }

  /** The end of it: the file is accepted, or the piece stored, and no byte of it is wanted here any more. */
  finish(stage: 'stored' | 'committed'): void {
    this.#storage.transactionSync(() => {
      this.#storage.sql.exec('DELETE FROM tail')
      this.#write({ ...this.progress, stage, tailBytes: 0 })
    })
  }

  get partCount(): number {
    return this.#storage.sql.exec<{ count: number }>('SELECT count(*) AS count FROM parts').one().count
  }

  /** R2's ETags of all parts, in their order. */
  etags(): string[] {
    return this.#storage.sql
      .exec<{ etag: string }>('SELECT etag FROM parts ORDER BY number')
      .toArray()
      .map(({ etag }) => etag)
  }

  /** Copies the tail to where it is wanted, as much of it as fits. */
  readTail(target: Uint8Array): void {
    let at = 0
    for (const { bytes } of this.#storage.sql.exec<{ bytes: ArrayBuffer }>('SELECT bytes FROM tail ORDER BY number')) {
      const piece = new Uint8Array(bytes).subarray(0, target.length - at)
      target.set(piece, at)
      at += piece.length
      if (at === target.length) break
    }
  }

  /** Forgets everything: there is no session afterwards. */
  async clear(): Promise<void> {
    this.#known = null
    await this.#storage.deleteAlarm()
    await this.#storage.deleteAll()
  }

  #write(progress: Progress): void {
    const known = this.#require()
    this.#storage.sql.exec('UPDATE session SET progress = ?', JSON.stringify(progress))
    this.#known = { ...known, progress }
  }

  #require(): Known {
    const known = this.#read()
    if (!known) throw new Error('There is no session here.')
    return known
  }

  #read(): Known | null {
    if (this.#known === undefined) this.#known = this.#load()
    return this.#known
  }

  #load(): Known | null {
    const { sql } = this.#storage
    if (sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'session'").toArray().length === 0) return null
    const [row] = sql.exec<{ opening: string; part_bytes: number; progress: string }>('SELECT * FROM session').toArray()
    if (!row) return null
    return {
      opening: JSON.parse(row.opening) as Opening,
      partBytes: row.part_bytes,
      progress: JSON.parse(row.progress) as Progress,
    }
  }
}
