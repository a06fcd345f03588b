import { tellOrNothing } from '../bytes/byte-view.ts'
import type { BoundedBytes } from '../bytes/object-bytes.ts'
import type { ArchiveFacts } from '../inspect-facts.ts'
import type { InspectOptions } from '../inspect-options.ts'
import { readGzip } from './gzip.ts'
import { ratioOf } from './ratio.ts'
import { findDirectories, type ZipDirectory } from './zip-directory.ts'
import { tallyEntries, type ZipTally } from './zip-tally.ts'

export interface ArchiveInspection {
  /** Absent when the directory is too large to be read to its end. */
  facts?: ArchiveFacts
  /** Why it is a bomb, as a sentence for people; absent when it is none. */
  bomb?: string
}

/**
 * What an archive says that it holds, and whether it is made to exhaust who unpacks it. Nothing is unpacked. A ZIP is
 * known by its end, as unpackers know it, whatever the file is besides.
 */
export async function inspectArchive(
  bytes: BoundedBytes,
  options: InspectOptions,
): Promise<ArchiveInspection | undefined> {
  const gzip = await tellOrNothing(() => readGzip(bytes))
  if (gzip) return { facts: gzip, ...bombOf(gzip.unpackedBytes, gzip.ratio, options) }
  for (const directory of (await tellOrNothing(() => findDirectories(bytes))) ?? []) {
    const tally = await tellOrNothing(() => tallyEntries(bytes, directory, options))
    if (tally) return judge(tally, directory, options)
  }
  return undefined
}

function judge(tally: ZipTally, directory: ZipDirectory, options: InspectOptions): ArchiveInspection {
  if (!tally.isWhole) {
    return { bomb: `The archive has more than ${options.maxEntries} entries, or a directory larger than 32 MiB.` }
  }
  const { unpackedBytes, packedBytes, steepBytes, steepPackedBytes } = tally
  const ratio = ratioOf(unpackedBytes, packedBytes)
  const facts: ArchiveFacts = {
    format: 'zip',
    unpackedBytes,
    ratio,
    entries: tally.entries,
    encryptedEntries: tally.encryptedEntries,
    nestedArchives: tally.nestedArchives,
    overlappingEntries: tally.areOverlapping,
    prefixBytes: tally.entries > 0 ? tally.firstStart : directory.start,
  }
  if (tally.areOverlapping)
    return { facts, bomb: 'Entries of the archive share their bytes, so that it unpacks to more than it holds.' }
  const whole = bombOf(unpackedBytes, ratio, options)
  // Entries that are not packed at all may hide a steep one from the ratio of the whole.
  return { facts, ...(whole.bomb ? whole : bombOf(steepBytes, ratioOf(steepBytes, steepPackedBytes), options)) }
}

function bombOf(
  unpackedBytes: number,
  ratio: number,
  { maxUnpackedBytes, maxRatio }: InspectOptions,
): { bomb?: string } {
  if (unpackedBytes <= maxUnpackedBytes || ratio <= maxRatio) return {}
  return {
    bomb: `The archive unpacks to ${unpackedBytes} bytes, ${Math.round(ratio)} times what they take packed; ${maxUnpackedBytes} and ${maxRatio} times are allowed.`,
  }
}
