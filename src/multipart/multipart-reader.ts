import { checkBoundary } from './boundary.ts'
import { type ByteReader, byteReaderOf } from './byte-source.ts'
import { DelimitedInput } from './delimited-input.ts'
import { MultipartError } from './errors.ts'
import { limitsFrom, type MultipartLimits } from './limits.ts'
import { MeteredReader } from './metered-reader.ts'
import { type FormState, Part } from './part.ts'
import { parsePartHeaders } from './part-headers.ts'

/**
 * Reads a `multipart/form-data` body (RFC 7578 over RFC 2046 §5.1) part by part, in constant memory, and no faster than
 * its parts are read.
 *
 * Any error, of the body or of the source, is final: every later call throws it again. Only what `Part.text()` says
 * about one field's value is not.
 */
export class MultipartReader {
  readonly #source: MeteredReader
  readonly #input: DelimitedInput
  readonly #limits: MultipartLimits
  readonly #form: FormState
  #current: Part | undefined
  #files = 0
  #closed = false

  /**
   * Takes the body and the boundary that `boundaryOf` found in its Content-Type. A ReadableStream is locked from here
   * on. Throws a MultipartError `boundary-invalid`, or a RangeError for a limit that is no count.
   */
  constructor(
    source: ByteReader | ReadableStream<Uint8Array>,
    boundary: string,
    limits: Partial<MultipartLimits> = {},
  ) {
    checkBoundary(boundary)
    this.#limits = limitsFrom(limits)
    this.#form = { fieldBytes: this.#limits.fieldBytes, charset: undefined }
    this.#source = new MeteredReader(byteReaderOf(source), this.#limits.totalBytes)
    this.#input = new DelimitedInput(this.#source, boundary)
  }

  /**
   * The next part, after skipping what is left of the one before; null behind the last. Before it gives null, the
   * epilogue has been read to the end of the source and discarded, whatever it holds; it counts against `totalBytes`.
   */
  async next(): Promise<Part | null> {
    this.#source.checkUsable()
    if (this.#closed) return null
    try {
      await this.#finishCurrent()
      const { parts, files, headerBytes, headersPerPart } = this.#limits
      const block = await this.#input.readHeaderBlock(headerBytes)
      if (block === false) {
        await this.#input.drain()
        this.#closed = true
        return null
      }
      const number = this.#input.part
      const { offset } = block
      if (number > parts) {
        throw new MultipartError('too-many-parts', `The body has more than ${parts} parts`, { limit: parts, offset })
      }
      const headers = parsePartHeaders({ ...block, part: number }, this.#form.charset, headersPerPart)
      if (headers.filename !== undefined && ++this.#files > files) {
        throw new MultipartError('too-many-files', `The body has more than ${files} files`, { limit: files, offset })
      }
      this.#current = new Part(this.#source, this.#input, headers, this.#form)
      return this.#current
    } catch (error) {
      throw this.#source.fail(error)
    }
  }

  async #finishCurrent(): Promise<void> {
    const part = this.#current
    this.#current = undefined
    await (part ?? this.#input).skip()
  }
}
