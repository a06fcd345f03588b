import { Buffer } from 'node:buffer'
import type { Tap } from '../bytes/single-pass.ts'
import { findNames } from './names.ts'
import { ObjectStreamReader, type OpenObjectStream } from './object-streams.ts'

/** A stream's dictionary begins at most so far before its type: what is kept of what has passed. */
const lookBackBytes = 2048

/** What the bytes of a PDF have shown, read from the first to the last. */
export interface PdfScanResult {
  /** Those of the names that matter that stand anywhere, in object streams as well. */
  names: ReadonlySet<string>
  /** Whether nothing was left out: each object stream could be unpacked and read. */
  isSure: boolean
  /** Whether this object was read as an object stream at this place, in bytes from the start of the file. */
  hasRead(object: number, at: number): boolean
}

/**
 * Looks for names in a PDF as it passes, whether any reference leads to them or not: readers repair what is broken, so
 * that what is in the file can come to life. Object streams are unpacked on the way, one at a time, and looked through
 * as well.
 */
export class PdfScan implements Tap {
  readonly #names = new Set<string>()
  readonly #reader = new ObjectStreamReader((name) => this.#names.add(name))
  #open: OpenObjectStream | null = null
  /** Up to here, in bytes from the start of the file, the object streams that are read through reach. */
  #read = 0
  /** The end of what has passed: looked at up to `#looked`. */
  #kept: Buffer = Buffer.alloc(0)
  #looked = 0
  /** Where `#kept` begins, in bytes from the start of the file. */
  #offset = 0

  pass(piece: Uint8Array): void {
    if (this.#open) this.#continue(this.#open, piece)
    const bytes = Buffer.concat([this.#kept, piece])
    this.#look(bytes, false)
    const from = Math.max(this.#looked - lookBackBytes, 0)
    this.#kept = Buffer.from(bytes.subarray(from))
    this.#looked -= from
    this.#offset += from
  }

  /** To be called once, after the last byte. */
  finish(): PdfScanResult {
    this.#look(this.#kept, true)
    if (this.#open) this.#reader.giveUp()
    const { isSure } = this.#reader
    return { names: this.#names, isSure, hasRead: (object, at) => this.#reader.hasRead(object, at) }
  }

  #look(bytes: Buffer, isLast: boolean): void {
    this.#looked = findNames(bytes, { from: this.#looked, isLast }, (name, at) => {
      this.#names.add(name)
      if (name === 'ObjStm') this.#begin(bytes, at)
    })
  }

  #begin(bytes: Buffer, at: number): void {
    // They stand one behind the other: a type within one is a trick, or the text of a page.
    if (this.#open || this.#offset + at < this.#read) {
      this.#reader.giveUp()
      return
    }
    const from = Math.max(at - lookBackBytes, 0)
    const stream = { offset: this.#offset + from, nameAt: at - from, memory: bytes.subarray(from) }
    const end = this.#reader.tryEnd(stream, stream.nameAt)
    if (end === null) this.#open = { ...stream, memory: Buffer.from(stream.memory) }
    else this.#read = stream.offset + end
  }

  #continue(stream: OpenObjectStream, piece: Uint8Array): void {
    const searched = stream.memory.length
    stream.memory = Buffer.concat([stream.memory, piece])
    const end = this.#reader.tryEnd(stream, searched)
    if (end === null) return
    this.#read = stream.offset + end
    this.#open = null
  }
}
