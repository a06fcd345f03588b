import { type ByteView, Untellable } from '../bytes/byte-view.ts'
import { type Box, boxesIn, boxesOf, findBox } from '../bytes/iso-boxes.ts'
import type { BoundedBytes } from '../bytes/object-bytes.ts'
import type { ImageHeader } from './header.ts'

const maxMetaBytes = 1024 * 1024
const sequenceBrands = new Set(['avis', 'hevc', 'hevx', 'msf1'])
/** How an image is turned by its `irot` box, in quarter turns against the clock, as EXIF numbers it. */
const orientationOfTurns = [1, 8, 3, 6] as const

/** AVIF, HEIC and others of ISO/IEC 23008-12: the properties of the primary item, among those of all its parts. */
export async function readHeif(bytes: BoundedBytes): Promise<ImageHeader> {
  const ftyp = await findBox(boxesIn(bytes, 0, bytes.size), 'ftyp')
  const meta = await findBox(boxesIn(bytes, 0, bytes.size), 'meta')
  if (!ftyp || !meta) throw new Untellable('It has no items.')
  const brands = await bytes.view(ftyp.start, Math.min(ftyp.end - ftyp.start, 256))
  const view = await bytes.view(meta.start, Math.min(meta.end - meta.start, maxMetaBytes))
  const properties = primaryProperties(view)
  const sizes = properties.filter((box) => box.type === 'ispe')
  if (!sizes[0]) throw new Untellable('The primary item has no size.')
  const { orientation } = turnOf(view, properties)
  return {
    format: formatOf(brands),
    width: view.u32(sizes[0].start + 4),
    height: view.u32(sizes[0].start + 8),
    orientation,
    frames: brandsOf(brands).some((brand) => sequenceBrands.has(brand)) ? null : 1,
  }
}

function brandsOf(ftyp: ByteView): string[] {
  const brands: string[] = [ftyp.latin1(0, 4)]
  for (let at = 8; at + 4 <= ftyp.length; at += 4) brands.push(ftyp.latin1(at, 4))
  return brands
}

function formatOf(ftyp: ByteView): string {
  const brands = brandsOf(ftyp)
  if (brands.some((brand) => brand.startsWith('avi'))) return 'avif'
  return brands.some((brand) => /^he[iv]/.test(brand)) ? 'heic' : 'heif'
}

/** The boxes that describe the primary item, in the order in which they are applied. */
function primaryProperties(meta: ByteView): Box[] {
  const boxes = boxesOf(meta, 4)
  const [pitm, iprp] = [boxes.find(({ type }) => type === 'pitm'), boxes.find(({ type }) => type === 'iprp')]
  if (!pitm || !iprp) throw new Untellable('It has no primary item.')
  const primary = meta.u8(pitm.start) === 0 ? meta.u16(pitm.start + 4) : meta.u32(pitm.start + 4)
  const parts = boxesOf(meta, iprp.start, iprp.end)
  const ipco = parts.find(({ type }) => type === 'ipco')
  if (!ipco) throw new Untellable('It has no properties.')
  const all = boxesOf(meta, ipco.start, ipco.end)
  return parts
    .filter(({ type }) => type === 'ipma')
    .flatMap((ipma) => associationsOf(meta.part(ipma.start, ipma.end - ipma.start), primary))
    .flatMap((number) => all[number - 1] ?? [])
}

/** The numbers of an item's properties, counted from 1 (ISO/IEC 14496-12 §8.11.14.3). */
function associationsOf(ipma: ByteView, item: number): number[] {
  const [hasLongItems, hasLongNumbers] = [ipma.u8(0) > 0, (ipma.u24(1) & 1) === 1]
  const numbers: number[] = []
  let at = 8
  for (let left = ipma.u32(4); left > 0; left--) {
    const itemHere = hasLongItems ? ipma.u32(at) : ipma.u16(at)
    at += hasLongItems ? 4 : 2
    const count = ipma.u8(at++)
    for (let n = 0; n < count; n++) {
      const number = hasLongNumbers ? ipma.u16(at) & 0x7fff : ipma.u8(at) & 0x7f
      at += hasLongNumbers ? 2 : 1
      if (itemHere === item) numbers.push(number)
    }
  }
  return numbers
}

/** Whether it is turned. With a mirror besides it is left open: writers have disagreed about its axis. */
function turnOf(view: ByteView, properties: Box[]): { orientation?: number } {
  if (properties.some(({ type }) => type === 'imir')) return {}
  const irot = properties.find(({ type }) => type === 'irot')
  return { orientation: irot ? (orientationOfTurns[view.u8(irot.start) & 3] as number) : 1 }
}
