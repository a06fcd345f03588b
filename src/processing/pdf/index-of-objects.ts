import { type ByteView, bufferOf, Untellable } from '../bytes/byte-view.ts'
import type { BoundedBytes } from '../bytes/object-bytes.ts'
import { sectionOf } from './reference-stream.ts'
import type { PdfPlace, PdfSection } from './section.ts'
import { streamContent } from './streams.ts'
import { readTable } from './table.ts'
import { dictionaryIn, integerIn, type PdfDictionary, PdfReader, PdfReference, type PdfValue } from './values.ts'

/** How much of an object is looked at, at first, and when its end is not in it. */
const objectBytes = [64 * 1024, 1024 * 1024]
const maxSections = 64
/** Readers look for the header, and for the last word, in so many bytes. */
const edgeBytes = 1024
/** How often one thing may refer to another. */
const maxDepth = 8
const maxStreamBytes = 8 * 1024 * 1024

interface PdfStream {
  dictionary: PdfDictionary
  content: ByteView
}

/** All sections of the cross-references of a PDF, the newest first. */
export class PdfIndex {
  readonly #bytes: BoundedBytes
  readonly #sections: PdfSection[] = []
  /** Places are counted from the header, before which something may stand. */
  readonly headerAt: number
  #lastContainer: { number: number; stream: PdfStream } | null = null

  private constructor(bytes: BoundedBytes, headerAt: number) {
    this.#bytes = bytes
    this.headerAt = headerAt
  }

  /** Follows the sections from the last word of the file. Throws `Untellable` when one of them can't be read. */
  static async read(bytes: BoundedBytes, headerAt: number): Promise<PdfIndex> {
    const index = new PdfIndex(bytes, headerAt)
    const waiting = [await lastWord(bytes)]
    const seen = new Set<number>()
    for (let offset = waiting.shift(); offset !== undefined; offset = waiting.shift()) {
      if (seen.has(offset)) continue
      seen.add(offset)
      if (seen.size > maxSections) throw new Untellable('There are too many sections.')
      const section = await index.#section(offset)
      index.#sections.push(section)
      // What a table leaves open for readers that know streams comes before what is older.
      for (const next of [section.trailer.get('XRefStm'), section.trailer.get('Prev')]) {
        if (next !== undefined) waiting.push(integerIn(next))
      }
    }
    return index
  }

  get trailer(): PdfDictionary {
    return (this.#sections[0] as PdfSection).trailer
  }

  get isEncrypted(): boolean {
    return (this.trailer.get('Encrypt') ?? null) !== null
  }

  get containers(): ReadonlySet<number> {
    return new Set(this.#sections.flatMap(({ containers }) => [...containers]))
  }

  async find(object: number): Promise<PdfPlace> {
    for (const section of this.#sections) {
      const place = await section.find(object)
      if (place !== undefined) return place
    }
    return null
  }

  /** The value of the object that stands at this place, and where what follows it begins. */
  async objectAt(offset: number, object: number | null): Promise<{ value: PdfValue; streamAt: number | null }> {
    const start = this.headerAt + offset
    for (const [attempt, length] of objectBytes.entries()) {
      const view = await this.#bytes.viewUpTo(start, length)
      const reader = new PdfReader(view.latin1(0, view.length))
      try {
        const number = reader.integer()
        reader.integer()
        reader.keyword('obj')
        if (object !== null && number !== object) throw new Untellable('Another object stands there.')
        const value = reader.value()
        return { value, streamAt: streamStart(reader, start) }
      } catch (error) {
        const isCut = error instanceof Untellable && view.length === length && attempt + 1 < objectBytes.length
        if (!isCut) throw error
      }
    }
    throw new Untellable('The object is too large.')
  }

  /** The dictionary and the content of the stream that stands at this place. */
  async streamAt(offset: number, object: number | null, depth = 0): Promise<PdfStream> {
    const { value, streamAt } = await this.objectAt(offset, object)
    const dictionary = dictionaryIn(value)
    if (streamAt === null) throw new Untellable('This is no stream.')
    const length = integerIn(await this.resolve(dictionary.get('Length'), depth + 1))
    if (length > maxStreamBytes) throw new Untellable('The stream is too large.')
    const data = await this.#bytes.view(streamAt, length)
    return { dictionary, content: streamContent(dictionary, data.bytes) }
  }

  /** The value itself, or the one of the object that it refers to. */
  async resolve(value: PdfValue | undefined, depth = 0): Promise<PdfValue | undefined> {
    if (!(value instanceof PdfReference)) return value
    if (depth > maxDepth) throw new Untellable('One thing refers to another and so on.')
    const place = await this.find(value.object)
    if (place === null) return null
    if (place.kind === 'at') return (await this.objectAt(place.offset, value.object)).value
    return valueWithin(await this.#container(place.container, depth + 1), value.object)
  }

  async #container(number: number, depth: number): Promise<PdfStream> {
    if (this.#lastContainer?.number !== number) {
      const place = await this.find(number)
      if (place?.kind !== 'at') throw new Untellable('The object stream is not there.')
      this.#lastContainer = { number, stream: await this.streamAt(place.offset, number, depth) }
    }
    return this.#lastContainer.stream
  }

  async #section(offset: number): Promise<PdfSection> {
    const start = this.headerAt + offset
    const head = await this.#bytes.viewUpTo(start, 32)
    const isTable = /^[\0\t\n\f\r ]*xref/.test(head.latin1(0, head.length))
    if (isTable) return readTable(this.#bytes, start)
    const { dictionary, content } = await this.streamAt(offset, null)
    return sectionOf(dictionary, content.bytes)
  }
}

/** Where the data of a stream begins; null when no stream follows. */
function streamStart(reader: PdfReader, textAt: number): number | null {
  const rest = reader.text.slice(reader.at, reader.at + 1024)
  const found = /^[\0\t\n\f\r ]*stream(\r\n|\n|\r)/.exec(rest)
  return found ? textAt + reader.at + found[0].length : null
}

/** The value of an object in an object stream (§7.5.7): pairs of number and place, and then the values. */
function valueWithin({ dictionary, content }: PdfStream, object: number): PdfValue {
  const text = content.latin1(0, content.length)
  const reader = new PdfReader(text)
  for (let left = integerIn(dictionary.get('N')); left > 0; left--) {
    const [number, at] = [reader.integer(), reader.integer()]
    // The last value may end with the text, where nothing shows that it is whole.
    if (number === object) return new PdfReader(`${text} `, integerIn(dictionary.get('First')) + at).value()
  }
  throw new Untellable('The object is not in the object stream.')
}

/** Where the newest section begins, as the end of the file says (§7.5.5). */
async function lastWord(bytes: BoundedBytes): Promise<number> {
  const start = Math.max(bytes.size - edgeBytes, 0)
  const tail = bufferOf((await bytes.view(start, bytes.size - start)).bytes).toString('latin1')
  const found = /^startxref[\0\t\n\f\r ]{1,20}(\d{1,15})/.exec(tail.slice(tail.lastIndexOf('startxref')))
  if (!found) throw new Untellable('Nothing says where the references are.')
  return Number(found[1])
}
