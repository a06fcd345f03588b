import type { PartTarget } from '../ingest/part-writer.ts'
import type { ObjectStorage } from '../storage/object-storage.ts'
import { isLostUpload } from '../storage/trouble.ts'
import type { Ledger } from './ledger.ts'
import { sessionEnded } from './rules.ts'
import type { RunningExamination, SavedExamination } from './running-examination.ts'

/** A part that R2 has confirmed, with what is known of the file up to its end. */
interface ConfirmedPart {
  etag: string
  examination: SavedExamination
}

/**
 * Writes the parts of one append to R2, and has the ledger keep each when all before it are there. With `holds` it waits
 * for `take`: what a checksum speaks for is kept as a whole or not at all.
 */
export class PartKeeper implements PartTarget {
  readonly #ledger: Ledger
  readonly #storage: ObjectStorage
  readonly #examination: RunningExamination
  readonly #objectKey: string
  readonly #holds: boolean
  readonly #confirmed = new Map<number, ConfirmedPart>()
  #firstUnkept: number
  #next: number

  constructor(
    ledger: Ledger,
    storage: ObjectStorage,
    examination: RunningExamination,
    { objectKey, holds }: { objectKey: string; holds: boolean },
  ) {
    this.#ledger = ledger
    this.#storage = storage
    this.#examination = examination
    this.#objectKey = objectKey
    this.#holds = holds
    this.#firstUnkept = ledger.partCount + 1
    this.#next = this.#firstUnkept
  }

  /** The examination must have passed exactly the bytes up to the end of this part. */
  async write(bytes: Uint8Array): Promise<void> {
    const number = this.#next++
    const examination = this.#examination.save()
    const { r2UploadId } = this.#ledger.progress
    const etag = await this.#storage.writePart(this.#objectKey, r2UploadId as string, number, bytes).catch((error) => {
      throw isLostUpload(error) ? sessionEnded() : error
    })
    this.#confirmed.set(number, { etag, examination })
    if (this.#holds) return
    for (const part of this.take()) this.#ledger.keep([part.etag], new Uint8Array(0), part.examination)
  }

  /** The confirmed parts that follow on what is kept without a gap, in their order; each is given out once. */
  take(): ConfirmedPart[] {
    const taken: ConfirmedPart[] = []
    for (let part = this.#confirmed.get(this.#firstUnkept); part; part = this.#confirmed.get(this.#firstUnkept)) {
      this.#confirmed.delete(this.#firstUnkept++)
      taken.push(part)
    }
    return taken
  }
}
