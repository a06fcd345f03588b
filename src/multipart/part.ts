import { Buffer } from 'node:buffer'
import type { ByteSource, Filled } from './byte-source.ts'
import type { DelimitedInput } from './delimited-input.ts'
import { MultipartError, quoted } from './errors.ts'
import { parseParameters } from './header-parameters.ts'
import type { MeteredReader } from './metered-reader.ts'
import type { PartHeaders } from './part-headers.ts'

/** What the parts of one form share. */
export interface FormState {
  /** The limit of that name, in bytes. */
  readonly fieldBytes: number
  /** What the form's `_charset_` field said, once it has been read. */
  charset: string | undefined
}

/** A field's value is gathered in memory that starts with this and doubles. */
const textBytes = 4 * 1024

/** As form data is decoded everywhere: what is not UTF-8 becomes U+FFFD, and a byte order mark stays. */
const utf8 = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true })

/** One part of a body. It can be read until the reader's `next()` is called again. */
export class Part implements ByteSource {
  /** The form's name for it; may be empty. May hold CR and LF, which browsers send as `%0D%0A`. */
  readonly name: string
  /** Undefined: the part is a field. Empty: a file input without a choice. It is the client's text, path and all. */
  readonly filename: string | undefined
  /** The Content-Type as sent; without one RFC 7578 §4.4 means text/plain. */
  readonly contentType: string | undefined
  /** All headers by lower-case name; one that was repeated has its values joined by `, `. */
  readonly headers: ReadonlyMap<string, string>

  readonly #source: MeteredReader
  readonly #input: DelimitedInput
  readonly #form: FormState
  readonly #number: number
  #started = false
  #ended = false
  #text: string | undefined

  /** Parts are made by `MultipartReader.next()`. */
  constructor(source: MeteredReader, input: DelimitedInput, headers: PartHeaders, form: FormState) {
    this.name = headers.name
    this.filename = headers.filename
    this.contentType = headers.contentType
    this.headers = headers.headers
    this.#source = source
    this.#input = input
    this.#form = form
    this.#number = input.part
  }

  /**
   * Reads bytes into `buffer` from `offset` on, and resolves as soon as there is one, or the part has ended. The buffer
   * is transferred: go on with the one in the answer; after an error it is lost.
   *
   * A buffer can always be filled to its last byte. A full one (`offset` at its end) is given back as it is, and `done`
   * then says whether the part ends just there.
   */
  async fill(buffer: ArrayBuffer, offset: number): Promise<Filled> {
    if (!(offset >= 0 && offset <= buffer.byteLength)) {
      throw new RangeError(`The offset ${offset} is not within a buffer of ${buffer.byteLength} bytes`)
    }
    if (this.#ended) return { buffer, end: offset, done: true }
    this.#checkCurrent()
    this.#started = true
    try {
      const filled = await this.#input.fill(buffer, offset)
      this.#ended = filled.done
      return filled
    } catch (error) {
      throw this.#source.fail(error)
    }
  }

  /**
   * What is left of the part as text, in the charset of its Content-Type, else the form's `_charset_` (RFC 7578 §4.5,
   * §4.6), else UTF-8. A `_charset_` field counts for the parts behind it.
   *
   * Throws a MultipartError: `field-too-large` beyond `limits.fieldBytes`, `charset-unknown`. The reader can go on after
   * either.
   */
  async text(): Promise<string> {
    if (this.#text !== undefined) return this.#text
    const { fieldBytes } = this.#form
    let filled: Filled = {
      buffer: new ArrayBuffer(Math.min(textBytes, fieldBytes)),
      end: 0,
      done: false,
    }
    for (;;) {
      filled = await this.fill(filled.buffer, filled.end)
      if (filled.done) break
      if (filled.end < filled.buffer.byteLength) continue
      if (filled.end >= fieldBytes) {
        // Full: either it ends just here, or it is too large.
        filled = await this.fill(filled.buffer, filled.end)
        if (filled.done) break
        const message = `The field ${quoted(this.name)} is longer than ${fieldBytes} bytes`
        throw new MultipartError('field-too-large', message, {
          limit: fieldBytes,
        })
      }
      const grown = new Uint8Array(Math.min(2 * filled.end, fieldBytes))
      grown.set(new Uint8Array(filled.buffer))
      filled.buffer = grown.buffer
    }
    this.#text = this.#decode(Buffer.from(filled.buffer, 0, filled.end))
    if (isCharsetField(this)) this.#form.charset = this.#text.trim() || undefined
    return this.#text
  }

  /** Passes what is left of the part, at no cost in memory. A `_charset_` field counts all the same. */
  async skip(): Promise<void> {
    if (this.#ended) return
    this.#checkCurrent()
    // A value that cannot be read names no charset; anything worse comes up again below.
    if (isCharsetField(this) && !this.#started) await this.text().catch(() => {})
    if (this.#ended) return
    this.#source.checkUsable()
    try {
      await this.#input.skip()
      this.#ended = true
    } catch (error) {
      throw this.#source.fail(error)
    }
  }

  #checkCurrent(): void {
    this.#source.checkUsable()
    if (this.#input.part === this.#number) return
    throw new TypeError(`The part ${quoted(this.name)} has been passed: read it before asking for the next`)
  }

  #decode(bytes: Buffer): string {
    const label = charsetOf(this.contentType) ?? this.#form.charset
    if (label === undefined) return utf8.decode(bytes)
    try {
      return new TextDecoder(label, { fatal: false, ignoreBOM: true }).decode(bytes)
    } catch {
      const message = `The field ${quoted(this.name)} is in the charset ${quoted(label)}, which is not known: send UTF-8`
      throw new MultipartError('charset-unknown', message)
    }
  }
}

/** The field by which a form names its charset (RFC 7578 §4.6). */
function isCharsetField(part: Part): boolean {
  return part.name === '_charset_' && part.filename === undefined
}

/** The charset parameter of a Content-Type; a malformed one names none. */
function charsetOf(contentType: string | undefined): string | undefined {
  if (contentType === undefined) return undefined
  try {
    return parseParameters(contentType, (problem) => new Error(problem)).parameters.get('charset') || undefined
  } catch {
    return undefined
  }
}
