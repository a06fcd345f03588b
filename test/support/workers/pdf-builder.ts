import { Buffer } from 'node:buffer'
import { deflateSync } from 'node:zlib'

export interface PdfShape {
  /** The objects that stand by themselves, by their numbers. */
  objects: Record<number, string | Buffer>
  /** Objects that are packed into one object stream, which has this number. */
  packed?: { container: number; objects: Record<number, string>; dictionary?: string; pack?: (data: Buffer) => Buffer }
  /** How the references are written: always as a stream where something is packed. */
  references?: 'table' | 'stream' | 'predicted stream'
  /** What stands in the trailer beside the size and the root. */
  trailer?: string
  header?: string
  prefix?: Buffer
}

/** A page tree that says it has so many pages, with the catalog as object 1. */
export const document = (pages: number, catalog = '') => ({
  1: `<</Type/Catalog/Pages 2 0 R${catalog}>>`,
  2: `<</Type/Pages/Count ${pages}/Kids[3 0 R]>>`,
  3: '<</Type/Page/Parent 2 0 R>>',
})

export const stream = (dictionary: string, data: Buffer) =>
  Buffer.concat([
    Buffer.from(`<<${dictionary}/Length ${data.length}>>\nstream\n`, 'latin1'),
    data,
    Buffer.from('\nendstream'),
  ])

/** A PDF (ISO 32000-1), whose catalog is object 1. */
export function buildPdf(shape: PdfShape): Buffer {
  const { objects, packed, references = packed ? 'stream' : 'table', trailer = '', header = '%PDF-1.7\n' } = shape
  const parts: Buffer[] = [Buffer.from(header, 'latin1')]
  const rows = new Map<number, [kind: number, first: number, second: number]>()
  const end = () => parts.reduce((sum, part) => sum + part.length, 0)
  const add = (number: number, body: string | Buffer) => {
    rows.set(number, [1, end(), 0])
    const bytes = typeof body === 'string' ? Buffer.from(body, 'latin1') : body
    parts.push(Buffer.from(`${number} 0 obj\n`), bytes, Buffer.from('\nendobj\n'))
  }
  for (const [number, body] of Object.entries(objects)) add(Number(number), body)
  if (packed) {
    add(packed.container, objectStream(packed))
    for (const [index, number] of Object.keys(packed.objects).entries())
      rows.set(Number(number), [2, packed.container, index])
  }
  const last = Math.max(...rows.keys())
  const start = end()
  if (references === 'table') {
    parts.push(Buffer.from(`${table(rows, last)}trailer\n<</Size ${last + 1}/Root 1 0 R${trailer}>>\n`))
  } else {
    const number = last + 1
    rows.set(number, [1, start, 0])
    parts.push(referenceStream(rows, number, trailer, references === 'predicted stream'))
  }
  parts.push(Buffer.from(`startxref\n${start}\n%%EOF\n`))
  return Buffer.concat([shape.prefix ?? Buffer.alloc(0), ...parts])
}

function objectStream({
  objects,
  dictionary = '/Filter/FlateDecode',
  pack = deflateSync,
}: NonNullable<PdfShape['packed']>): Buffer {
  const bodies = Object.values(objects).map((body) => `${body}\n`)
  const places = bodies.map((_body, index) => bodies.slice(0, index).join('').length)
  const head = `${Object.keys(objects)
    .map((number, index) => `${number} ${places[index]}`)
    .join(' ')}\n`
  const data = pack(Buffer.from(head + bodies.join(''), 'latin1'))
  return stream(`/Type/ObjStm/N ${bodies.length}/First ${head.length}${dictionary}`, data)
}

function table(rows: Map<number, readonly number[]>, last: number): string {
  const lines = Array.from({ length: last + 1 }, (_none, number) => {
    const offset = rows.get(number)?.[1]
    return offset === undefined ? '0000000000 65535 f \n' : `${String(offset).padStart(10, '0')} 00000 n \n`
  })
  return `xref\n0 ${last + 1}\n${lines.join('')}`
}

function referenceStream(
  rows: Map<number, readonly number[]>,
  last: number,
  trailer: string,
  isPredicted: boolean,
): Buffer {
  let above: Buffer = Buffer.alloc(7)
  const lines = Array.from({ length: last + 1 }, (_none, number) => {
    const [kind = 0, first = 0, second = 0] = rows.get(number) ?? []
    const line = Buffer.alloc(7)
    line[0] = kind
    line.writeUInt32BE(first, 1)
    line.writeUInt16BE(second, 5)
    const difference = Buffer.from(line.map((byte, index) => byte - (above[index] as number)))
    above = line
    return isPredicted ? Buffer.concat([Buffer.from([2]), difference]) : line
  })
  const parameters = isPredicted ? '/DecodeParms<</Columns 7/Predictor 12>>' : ''
  const dictionary = `/Type/XRef/W[1 4 2]/Size ${last + 1}/Root 1 0 R/Filter/FlateDecode${parameters}${trailer}`
  return Buffer.concat([
    Buffer.from(`${last} 0 obj\n`),
    stream(dictionary, deflateSync(Buffer.concat(lines))),
    Buffer.from('\nendobj\n'),
  ])
}

/** The same with an update behind it: objects that are newer, and where the references before it begin. */
export function updatedPdf(pdf: Buffer, objects: Record<number, string>): Buffer {
  const before = /startxref\s+(\d+)\s+%%EOF\s*$/.exec(pdf.toString('latin1'))?.[1]
  let [body, references] = ['', 'xref\n']
  for (const [number, text] of Object.entries(objects)) {
    references += `${number} 1\n${String(pdf.length + body.length).padStart(10, '0')} 00000 n \n`
    body += `${number} 0 obj\n${text}\nendobj\n`
  }
  const end = `trailer\n<</Size 100/Root 1 0 R/Prev ${before}>>\nstartxref\n${pdf.length + body.length}\n%%EOF\n`
  return Buffer.concat([pdf, Buffer.from(body + references + end, 'latin1')])
}
