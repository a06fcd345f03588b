import { type ByteView, Untellable } from './byte-view.ts'
import type { BoundedBytes } from './object-bytes.ts'

/** A box of the ISO base media file format (ISO/IEC 14496-12 §4.2), or an atom of QuickTime. */
export interface Box {
  type: string
  /** Where its content begins and ends, from the start of what holds it. */
  start: number
  end: number
}

const maxBoxes = 4096

/** The box whose header these bytes are, at `at`, in something that ends at `limit`. */
function boxAt(header: ByteView, at: number, limit: number): Box {
  const short = header.u32(0)
  const type = header.latin1(4, 4)
  const headerBytes = short === 1 ? 16 : 8
  // Zero says: to the end of what holds it.
  const length = short === 1 ? header.u64(8) : short === 0 ? limit - at : short
  if (length < headerBytes) throw new Untellable('A box is smaller than its header.')
  return { type, start: at + headerBytes, end: at + length }
}

/** The boxes between two places of an object, in their order. One that ends too late is the last. */
export async function* boxesIn(bytes: BoundedBytes, start: number, end: number): AsyncGenerator<Box> {
  let at = start
  for (let n = 0; n < maxBoxes && at + 8 <= end; n++) {
    const box = boxAt(await bytes.viewUpTo(at, 16), at, end)
    yield { ...box, end: Math.min(box.end, end) }
    at = box.end
  }
}

/** The boxes in some bytes that are in memory, in their order; each lies within them. */
export function boxesOf(view: ByteView, start = 0, end = view.length): Box[] {
  const boxes: Box[] = []
  for (let at = start; at + 8 <= end && boxes.length < maxBoxes; ) {
    const box = boxAt(view.part(at, Math.min(16, end - at)), at, end)
    if (box.end > end) throw new Untellable('A box ends behind what holds it.')
    boxes.push(box)
    at = box.end
  }
  return boxes
}

/** The first of these boxes with this name. */
export async function findBox(boxes: AsyncIterable<Box> | Iterable<Box>, type: string): Promise<Box | undefined> {
  for await (const box of boxes) if (box.type === type) return box
  return undefined
}
