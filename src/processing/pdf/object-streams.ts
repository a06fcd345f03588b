import { Buffer } from 'node:buffer'
import { bufferOf, Untellable } from '../bytes/byte-view.ts'
import { findNames, namesIn } from './names.ts'
import { inflate, maxUnpackedStreamBytes } from './streams.ts'

const endMark = Buffer.from('endstream')
/** The largest object stream that is collected, packed. Writers put a hundred objects into one. */
const maxPackedBytes = 4 * 1024 * 1024
/** The most that all object streams of a file may unpack to, and how many are looked at: about a second of work. */
const maxUnpackedBytes = 128 * 1024 * 1024
const maxStreams = 20_000
/** What comes out of a byte at most (zlib's documentation). */
const steepest = 1032
/** The data begins so soon behind the type in the dictionary. */
const dictionaryBytes = 4096

/** An object stream of which perhaps not all has passed. */
export interface OpenObjectStream {
  /** Where the bytes begin in the file, and where among them the name is that it is known by. */
  readonly offset: number
  readonly nameAt: number
  memory: Buffer
}

/** Takes object streams (ISO 32000-1 §7.5.7) as they pass, unpacks them, and finds the names in them. */
export class ObjectStreamReader {
  readonly #found: (name: string) => void
  readonly #read = new Set<string>()
  #streams = 0
  #unpackedBytes = 0
  #isSure = true

  constructor(found: (name: string) => void) {
    this.#found = found
  }

  /** False as soon as something may be in an object stream that was not seen. */
  get isSure(): boolean {
    return this.#isSure
  }

  giveUp(): void {
    this.#isSure = false
  }

  hasRead(object: number, at: number): boolean {
    return this.#read.has(`${object} ${at}`)
  }

  /**
   * Looks through an object stream if its end has passed, which is searched for from `searched` on. Returns where it
   * ended, or where it was given up; null while its end has not come.
   */
  tryEnd(stream: OpenObjectStream, searched: number): number | null {
    const end = stream.memory.indexOf(endMark, Math.max(searched - endMark.length, stream.nameAt))
    if (end >= 0) this.#look(stream, end)
    else if (stream.memory.length > maxPackedBytes) this.giveUp()
    else return null
    return end >= 0 ? end : stream.memory.length
  }

  #look(stream: OpenObjectStream, end: number): void {
    try {
      if (++this.#streams > maxStreams) throw new Untellable('There are too many.')
      const { object, objectAt, isPacked, data } = partsOf(stream, end)
      const content = isPacked ? this.#unpack(data) : data
      requireList(content)
      this.#read.add(`${object} ${stream.offset + objectAt}`)
      findNames(content, { isLast: true }, this.#found)
    } catch (error) {
      if (!(error instanceof Untellable)) throw error
      this.giveUp()
    }
  }

  #unpack(data: Uint8Array): Uint8Array {
    if (this.#unpackedBytes > maxUnpackedBytes) throw new Untellable('It is too much.')
    // Counted before, since what fails takes as long.
    const most = Math.min(data.length * steepest, maxUnpackedStreamBytes)
    this.#unpackedBytes += most
    const content = inflate(data)
    this.#unpackedBytes += content.length - most
    return content
  }
}

/** Takes an object stream apart that ends at `end`. Throws `Untellable` when that can't be done with certainty. */
function partsOf(
  { memory, nameAt }: OpenObjectStream,
  end: number,
): { object: number; objectAt: number; isPacked: boolean; data: Uint8Array } {
  const text = memory.toString('latin1', 0, Math.min(nameAt + dictionaryBytes, end))
  const starts = [...text.slice(0, nameAt).matchAll(/(\d{1,10})[\0\t\n\f\r ]{1,20}\d{1,5}[\0\t\n\f\r ]{1,20}obj/g)]
  const start = starts.at(-1)
  const begin = /stream(\r\n|\n|\r)/.exec(text.slice(nameAt))
  if (!start || !begin) throw new Untellable('This is no whole object.')
  const names = namesIn(text.slice(start.index + start[0].length, nameAt + begin.index))
  if (names.has('DecodeParms') || names.has('DP')) throw new Untellable('It is predicted.')
  return {
    object: Number(start[1]),
    objectAt: start.index,
    isPacked: names.has('Filter') || names.has('F'),
    data: memory.subarray(nameAt + begin.index + begin[0].length, end),
  }
}

/** It begins with the numbers and places of its objects: what does not was not unpacked rightly. */
function requireList(content: Uint8Array): void {
  const head = bufferOf(content.subarray(0, 64)).toString('latin1')
  const isList = /^[\0\t\n\f\r ]*(\d{1,10}[\0\t\n\f\r ]{1,20}\d{1,10}([\0\t\n\f\r ]|$)|$)/.test(head)
  if (!isList) throw new Untellable('This is no list.')
}
