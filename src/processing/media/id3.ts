import type { BoundedBytes } from '../bytes/object-bytes.ts'

/** How many bytes the ID3v2 tag at the beginning takes (ID3v2.4 §3.1), none when there is none. */
export async function id3Bytes(bytes: BoundedBytes): Promise<number> {
  const head = await bytes.viewUpTo(0, 10)
  if (head.length < 10 || head.latin1(0, 3) !== 'ID3') return 0
  // Seven bits of each byte, so that no tag looks like a frame of sound.
  const content = [6, 7, 8, 9].reduce((sum, at) => sum * 128 + (head.u8(at) & 0x7f), 0)
  const hasFooter = (head.u8(5) & 0x10) !== 0
  return 10 + content + (hasFooter ? 10 : 0)
}
