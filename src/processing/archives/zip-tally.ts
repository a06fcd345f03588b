import { type ByteView, Untellable } from '../bytes/byte-view.ts'
import type { BoundedBytes } from '../bytes/object-bytes.ts'
import type { InspectOptions } from '../inspect-options.ts'
import type { ZipDirectory } from './zip-directory.ts'

/** What the directory of a ZIP adds up to. Sizes in bytes, as it declares them. */
export interface ZipTally {
  /** False when it was left before its end: it has too many entries, or is too large. Then the rest is not filled in. */
  isWhole: boolean
  entries: number
  encryptedEntries: number
  nestedArchives: number
  packedBytes: number
  unpackedBytes: number
  /** Of those entries only that each unpack to more than the allowed ratio. */
  steepPackedBytes: number
  steepBytes: number
  areOverlapping: boolean
  /** Where the first entry begins, from the start of the object. */
  firstStart: number
}

/** The most of a directory that is read: at 100 bytes an entry, three times the entries that are allowed by default. */
export const maxDirectoryBytes = 32 * 1024 * 1024
const windowBytes = 1024 * 1024
const entryBytes = 46
const localHeaderBytes = 30
const archiveName = /\.(zip|jar|war|ear|apk|7z|rar|tar|t?gz|t?bz2|t?xz|zst|cab)$/i

interface Entry {
  name: string
  isEncrypted: boolean
  packedBytes: number
  unpackedBytes: number
  /** Where its local header begins, by the directory. */
  offset: number
  /** The least that it takes: its local header, its name, its data. */
  length: number
  /** Of its record in the directory. */
  recordBytes: number
}

/**
 * Goes through the directory of a ZIP, piece by piece. Each of the entries counts, whatever number of them the end
 * record gives. Throws `Untellable` when the directory is damaged.
 */
export async function tallyEntries(
  bytes: BoundedBytes,
  directory: ZipDirectory,
  { maxEntries, maxRatio }: Pick<InspectOptions, 'maxEntries' | 'maxRatio'>,
): Promise<ZipTally> {
  const tally: ZipTally = {
    isWhole: false,
    entries: 0,
    encryptedEntries: 0,
    nestedArchives: 0,
    packedBytes: 0,
    unpackedBytes: 0,
    steepPackedBytes: 0,
    steepBytes: 0,
    areOverlapping: false,
    firstStart: 0,
  }
  if (directory.end - directory.start > maxDirectoryBytes) return tally
  const extents = new Extents()
  for await (const entry of entriesOf(bytes, directory)) {
    if (++tally.entries > maxEntries) return tally
    if (entry.isEncrypted) tally.encryptedEntries++
    if (archiveName.test(entry.name)) tally.nestedArchives++
    tally.packedBytes += entry.packedBytes
    tally.unpackedBytes += entry.unpackedBytes
    if (entry.unpackedBytes > entry.packedBytes * maxRatio) {
      tally.steepPackedBytes += entry.packedBytes
      tally.steepBytes += entry.unpackedBytes
    }
    const start = entry.offset + directory.shift
    extents.add(start, start + entry.length)
  }
  if (!Number.isSafeInteger(tally.unpackedBytes + tally.packedBytes)) throw new Untellable('The sizes are absurd.')
  const { first, overlap } = extents.lieIn(directory.start)
  return { ...tally, isWhole: true, areOverlapping: overlap, firstStart: first }
}

/** The records of a directory, in windows that each begin with a whole one. */
async function* entriesOf(bytes: BoundedBytes, { start, end }: ZipDirectory): AsyncGenerator<Entry> {
  let at = start
  while (at < end) {
    const window = await bytes.view(at, Math.min(windowBytes, end - at))
    const isLast = at + window.length === end
    let used = 0
    while (used < window.length) {
      const entry = entryAt(window, used)
      if (!entry || used + entry.recordBytes > window.length) break
      yield entry
      used += entry.recordBytes
    }
    if (used === 0 || (isLast && used < window.length)) throw new Untellable('The directory is cut.')
    at += used
  }
}

/** The record at this place; null when the window ends within it. */
function entryAt(window: ByteView, at: number): Entry | null {
  if (at + entryBytes > window.length) return null
  if (window.u32(at) !== 0x504b0102) throw new Untellable('Something else stands in the directory.')
  const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((place) => window.u16(at + place, true)) as [
    number,
    number,
    number,
  ]
  const recordBytes = entryBytes + nameBytes + extraBytes + commentBytes
  if (at + recordBytes > window.length) return null
  const sizes = longSizes(
    [window.u32(at + 24, true), window.u32(at + 20, true), window.u32(at + 42, true)],
    window.part(at + entryBytes + nameBytes, extraBytes),
  )
  const [unpackedBytes, packedBytes, offset] = sizes
  const shownBytes = Math.min(nameBytes, 8)
  return {
    name: window.latin1(at + entryBytes + nameBytes - shownBytes, shownBytes),
    isEncrypted: (window.u16(at + 8, true) & 1) === 1,
    packedBytes,
    unpackedBytes,
    offset,
    length: localHeaderBytes + nameBytes + packedBytes,
    recordBytes,
  }
}

/** Each of the three that does not fit is in the extra field of ZIP64 instead, in their order (APPNOTE.TXT 4.5.3). */
function longSizes(sizes: [number, number, number], extra: ByteView): [number, number, number] {
  if (!sizes.includes(0xffffffff)) return sizes
  for (let at = 0; at + 4 <= extra.length; ) {
    const [id, length] = [extra.u16(at, true), extra.u16(at + 2, true)]
    if (id === 0x0001) {
      const field = extra.part(at + 4, length)
      let used = 0
      return sizes.map((size) => {
        if (size !== 0xffffffff) return size
        used += 8
        return field.u64(used - 8, true)
      }) as [number, number, number]
    }
    at += 4 + length
  }
  return sizes
}

/** Where entries begin and end, in 16 bytes for each. */
class Extents {
  #starts = new Float64Array(1024)
  #ends = new Float64Array(1024)
  #count = 0

  add(start: number, end: number): void {
    if (this.#count === this.#starts.length) {
      this.#starts = grown(this.#starts)
      this.#ends = grown(this.#ends)
    }
    this.#starts[this.#count] = start
    this.#ends[this.#count++] = end
  }

  /** Where the first begins, and whether any two overlap, or one lies in what begins at `limit`. */
  lieIn(limit: number): { first: number; overlap: boolean } {
    const [starts, ends] = [this.#starts, this.#ends]
    const order = new Uint32Array(this.#count).map((_zero, index) => index)
    order.sort((one, other) => (starts[one] as number) - (starts[other] as number))
    const first = order.length > 0 ? (starts[order[0] as number] as number) : 0
    let end = 0
    for (const index of order) {
      if ((starts[index] as number) < end) return { first, overlap: true }
      end = ends[index] as number
    }
    return { first, overlap: end > limit }
  }
}

function grown(array: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(array.length * 2)
  larger.set(array)
  return larger
}
