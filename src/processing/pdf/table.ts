import { Untellable } from '../bytes/byte-view.ts'
import type { BoundedBytes } from '../bytes/object-bytes.ts'
import type { PdfPlace, PdfSection } from './section.ts'
import { dictionaryIn, PdfReader } from './values.ts'

const entryBytes = 20
const maxSubsections = 10_000
/** Enough for the line that begins a subsection. */
const lineBytes = 64
const trailerBytes = 64 * 1024

interface Subsection {
  first: number
  count: number
  at: number
}

/**
 * A table of references (ISO 32000-1 §7.5.4) at this place of the file. Entries are 20 bytes each and stay where they
 * are: the table of a large document is larger than all that is read here.
 */
export async function readTable(bytes: BoundedBytes, start: number): Promise<PdfSection> {
  const subsections: Subsection[] = []
  const [mark] = await matchAt(bytes, start, /^[\0\t\n\f\r ]*xref/)
  let at = start + mark.length
  for (;;) {
    const [line, first, count] = await matchAt(
      bytes,
      at,
      /^[\0\t\n\f\r ]*(?:(\d{1,10}) +(\d{1,10}) *(?:\r\n|\n|\r)|trailer)/,
    )
    at += line.length
    if (first === undefined) break
    subsections.push({ first: Number(first), count: Number(count), at })
    if (subsections.length > maxSubsections) throw new Untellable('There are too many subsections.')
    at += Number(count) * entryBytes
  }
  const view = await bytes.viewUpTo(at, trailerBytes)
  const trailer = dictionaryIn(new PdfReader(view.latin1(0, view.length)).value())
  return { trailer, containers: new Set(), find: (object) => findIn(bytes, subsections, object) }
}

async function findIn(
  bytes: BoundedBytes,
  subsections: readonly Subsection[],
  object: number,
): Promise<PdfPlace | undefined> {
  const part = subsections.find(({ first, count }) => object >= first && object < first + count)
  if (!part) return undefined
  const entry = await bytes.view(part.at + (object - part.first) * entryBytes, entryBytes)
  const [, offset, kind] = /^(\d{10}) \d{5} ([nf])/.exec(entry.latin1(0, entryBytes)) ?? []
  if (offset === undefined) throw new Untellable('The entry is not where it should be.')
  return kind === 'n' ? { kind: 'at', offset: Number(offset) } : null
}

async function matchAt(bytes: BoundedBytes, at: number, expression: RegExp): Promise<RegExpExecArray> {
  const view = await bytes.viewUpTo(at, lineBytes)
  const found = expression.exec(view.latin1(0, view.length))
  if (!found) throw new Untellable('The table is damaged.')
  return found
}
