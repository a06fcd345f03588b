import { Untellable } from '../bytes/byte-view.ts'
import type { BoundedBytes } from '../bytes/object-bytes.ts'
import type { ArchiveFacts } from '../inspect-facts.ts'
import { ratioOf } from './ratio.ts'

/** The smallest member: a header, an empty block, and the trailer. */
const smallestBytes = 20

/**
 * What gzip says about itself (RFC 1952 §2.3): the last four bytes are what its last member unpacks to, modulo 4 GiB.
 * Several members, and more than 4 GiB, can't be told from that.
 */
export async function readGzip(bytes: BoundedBytes): Promise<ArchiveFacts> {
  const head = await bytes.view(0, 3)
  if (head.u24(0) !== 0x1f8b08 || bytes.size < smallestBytes) throw new Untellable('This is no gzip.')
  const unpackedBytes = (await bytes.view(bytes.size - 4, 4)).u32(0, true)
  return { format: 'gzip', unpackedBytes, ratio: ratioOf(unpackedBytes, bytes.size) }
}
