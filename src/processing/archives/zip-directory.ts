import { Buffer } from 'node:buffer'
import { type ByteView, bufferOf, tellOrNothing, Untellable } from '../bytes/byte-view.ts'
import type { BoundedBytes } from '../bytes/object-bytes.ts'

/** Where the directory of a ZIP lies, in bytes from the start of the object. */
export interface ZipDirectory {
  start: number
  end: number
  /** How far all places that the directory names are off: something was put before the archive. */
  shift: number
}

const endRecord = Buffer.from('PK\x05\x06', 'latin1')
const endRecordBytes = 22
const locatorBytes = 20
const longRecordBytes = 56
const maxCommentBytes = 0xffff
/** Places that look like an archive's end, looked at from the last to the first. */
const maxCandidates = 16

/**
 * The directories that a file may be read by, first the one that unpackers take (APPNOTE.TXT 4.3.16): each belongs to a
 * record at the end of the archive, behind which only a comment may stand, and someone may have put records into it.
 */
export async function findDirectories(bytes: BoundedBytes): Promise<ZipDirectory[]> {
  const tailStart = Math.max(bytes.size - endRecordBytes - maxCommentBytes, 0)
  const tail = await bytes.viewUpTo(tailStart, bytes.size - tailStart)
  const directories: ZipDirectory[] = []
  let at = tail.length
  for (let n = 0; n < maxCandidates && at > 0; n++) {
    at = bufferOf(tail.bytes).lastIndexOf(endRecord, at - 1)
    if (at < 0) break
    const place = at
    const directory = await tellOrNothing(() => directoryOf(bytes, tail, tailStart, place))
    if (directory) directories.push(directory)
  }
  return directories
}

/** The directory that the end record at `at` in the tail speaks of; null when there is none. */
async function directoryOf(
  bytes: BoundedBytes,
  tail: ByteView,
  tailStart: number,
  at: number,
): Promise<ZipDirectory | null> {
  if (at + endRecordBytes > tail.length) return null
  const record = { disks: tail.u32(at + 4), length: tail.u32(at + 12, true), offset: tail.u32(at + 16, true) }
  const entries = tail.u16(at + 10, true)
  const isLong = record.length === 0xffffffff || record.offset === 0xffffffff || entries === 0xffff
  const long = isLong ? await longRecord(bytes, tailStart + at) : null
  const { length, offset } = long ?? record
  const end = long?.at ?? tailStart + at
  const start = end - length
  if (record.disks !== 0 && !long) return null
  if (start < 0 || start < offset) return null
  if (length > 0 && (await bytes.viewUpTo(start, 4)).bytes.join() !== '80,75,1,2') return null
  return { start, end, shift: start - offset }
}

/** The record of ZIP64 (APPNOTE.TXT 4.3.14): before the end record, and before the locator that says where it is. */
async function longRecord(
  bytes: BoundedBytes,
  endRecordAt: number,
): Promise<{ at: number; length: number; offset: number } | null> {
  if (endRecordAt < locatorBytes + longRecordBytes) return null
  const locator = await bytes.view(endRecordAt - locatorBytes, locatorBytes)
  if (locator.u32(0) !== 0x504b0607) return null
  // Where it says, or else, when something was put before the archive, straight before the locator.
  for (const at of [locator.u64(8, true), endRecordAt - locatorBytes - longRecordBytes]) {
    if (at > endRecordAt - locatorBytes - longRecordBytes) continue
    const record = await bytes.view(at, longRecordBytes)
    if (record.u32(0) !== 0x504b0606) continue
    return { at, length: record.u64(40, true), offset: record.u64(48, true) }
  }
  throw new Untellable('The long record is missing.')
}
