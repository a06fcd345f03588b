import { Untellable } from '../bytes/byte-view.ts'
import type { PdfSection } from './section.ts'
import { integerIn, type PdfDictionary, type PdfValue } from './values.ts'

/** A stream of references (§7.5.8): rows of three numbers, of so many bytes each. */
export function sectionOf(dictionary: PdfDictionary, rows: Uint8Array): PdfSection {
  const widths = listIn(dictionary.get('W')).map(integerIn)
  const [kindBytes, firstBytes, secondBytes] = widths as [number, number, number]
  const rowBytes = kindBytes + firstBytes + secondBytes
  if (widths.length !== 3 || widths.some((width) => width > 7) || rowBytes === 0)
    throw new Untellable('The rows make no sense.')
  const parts = listIn(dictionary.get('Index') ?? [0, dictionary.get('Size') ?? null]).map(integerIn)
  const total = Math.floor(rows.length / rowBytes)
  const field = (at: number, bytes: number) => {
    let value = 0
    for (let n = 0; n < bytes; n++) value = value * 256 + (rows[at + n] as number)
    return value
  }
  const kindOf = (row: number) => (kindBytes === 0 ? 1 : field(row * rowBytes, kindBytes))
  const firstOf = (row: number) => field(row * rowBytes + kindBytes, firstBytes)
  const containers = new Set<number>()
  for (let row = 0; row < total; row++) if (kindOf(row) === 2) containers.add(firstOf(row))
  return {
    trailer: dictionary,
    containers,
    async find(object) {
      let row = 0
      for (let n = 0; n + 1 < parts.length; n += 2) {
        const [start, count] = [parts[n] as number, parts[n + 1] as number]
        const at = row + object - start
        if (object >= start && object < start + count && at < total) {
          if (kindOf(at) === 1) return { kind: 'at', offset: firstOf(at) }
          return kindOf(at) === 2 ? { kind: 'within', container: firstOf(at) } : null
        }
        row += count
      }
      return undefined
    },
  }
}

function listIn(value: PdfValue | undefined): PdfValue[] {
  if (!Array.isArray(value)) throw new Untellable('This is no list.')
  return value
}
