import { inflateSync } from 'node:zlib'
import { ByteView, Untellable } from '../bytes/byte-view.ts'
import { integerIn, type PdfDictionary, PdfName, type PdfValue } from './values.ts'

/** The most that one stream may unpack to. The tables of a million objects take less. */
export const maxUnpackedStreamBytes = 16 * 1024 * 1024

/** Unpacks zlib data, with whatever stands behind it. Throws `Untellable` for what is damaged, cut or too large. */
export function inflate(packed: Uint8Array): Uint8Array {
  try {
    return inflateSync(packed, { maxOutputLength: maxUnpackedStreamBytes })
  } catch {
    // zlib's errors are all about the bytes that it is given.
    throw new Untellable('A stream can not be unpacked.')
  }
}

/** The content of a stream with this dictionary: unpacked, if it is packed in the one way that is known here. */
export function streamContent(dictionary: PdfDictionary, data: Uint8Array): ByteView {
  const filter = only(dictionary.get('Filter'))
  const parameters = only(dictionary.get('DecodeParms'))
  if (filter === undefined || filter === null) return new ByteView(data)
  if (!(filter instanceof PdfName) || filter.name !== 'FlateDecode')
    throw new Untellable('It is packed in another way.')
  const content = inflate(data)
  if (parameters === undefined || parameters === null) return new ByteView(content)
  if (!(parameters instanceof Map)) throw new Untellable('The parameters stand elsewhere.')
  return new ByteView(unpredict(content, parameters))
}

/** A list of one is the same as the one. */
function only(value: PdfValue | undefined): PdfValue | undefined {
  if (!Array.isArray(value)) return value
  if (value.length > 1) throw new Untellable('It is packed more than once.')
  return value[0]
}

/** Takes the prediction of PNG back, of rows of bytes (ISO 32000-1 §7.4.4.4). */
function unpredict(content: Uint8Array, parameters: PdfDictionary): Uint8Array {
  const number = (name: string, otherwise: number) =>
    parameters.has(name) ? integerIn(parameters.get(name)) : otherwise
  const predictor = number('Predictor', 1)
  if (predictor === 1) return content
  const columns = number('Columns', 1)
  const isOfBytes = number('Colors', 1) === 1 && number('BitsPerComponent', 8) === 8
  if (predictor < 10 || !isOfBytes || columns < 1 || columns > 1024)
    throw new Untellable('It is predicted in another way.')
  const rows = Math.floor(content.length / (columns + 1))
  const out = new Uint8Array(rows * columns)
  for (let row = 0; row < rows; row++) undoRow(content, row * (columns + 1), out, row * columns, columns)
  return out
}

/** One row, with the kind of its prediction before it, out of itself and the row above (W3C PNG §9.2). */
function undoRow(content: Uint8Array, from: number, out: Uint8Array, to: number, columns: number): void {
  const kind = content[from] as number
  if (kind > 4) throw new Untellable('There is no such prediction.')
  for (let i = 0; i < columns; i++) {
    const left = i > 0 ? (out[to + i - 1] as number) : 0
    const above = to > 0 ? (out[to + i - columns] as number) : 0
    const corner = i > 0 && to > 0 ? (out[to + i - columns - 1] as number) : 0
    const predicted = [0, left, above, (left + above) >> 1, paeth(left, above, corner)][kind] as number
    out[to + i] = (content[from + 1 + i] as number) + predicted
  }
}

function paeth(left: number, above: number, corner: number): number {
  const estimate = left + above - corner
  const [toLeft, toAbove, toCorner] = [left, above, corner].map((value) => Math.abs(estimate - value)) as [
    number,
    number,
    number,
  ]
  return toLeft <= toAbove && toLeft <= toCorner ? left : toAbove <= toCorner ? above : corner
}
