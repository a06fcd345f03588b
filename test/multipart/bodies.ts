import { type ByteReader, type MultipartLimits, MultipartReader, type Part } from '../../src/multipart/index.ts'
import { latin1, utf8 } from './fixtures/fixture.ts'

/** A part as the tests make it, and as they expect it back. */
export interface ModelPart {
  name: string
  filename?: string
  contentType?: string
  body: Uint8Array
}

export interface ModelForm {
  boundary: string
  preamble: string
  epilogue: string
  parts: ModelPart[]
  /** Spaces and tabs behind each boundary. */
  padding: string
}

/** Writes a form as RFC 7578 and WHATWG say, by plain concatenation: it shares nothing with the parser. */
export function encodeForm(form: ModelForm): Uint8Array {
  const escaped = (text: string) => text.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
  const pieces: Uint8Array[] = []
  if (form.preamble !== '') pieces.push(latin1(`${form.preamble}\r\n`))
  for (const { name, filename, contentType, body } of form.parts) {
    let head = `--${form.boundary}${form.padding}\r\nContent-Disposition: form-data; name="${escaped(name)}"`
    if (filename !== undefined) head += `; filename="${escaped(filename)}"`
    if (contentType !== undefined) head += `\r\nContent-Type: ${contentType}`
    pieces.push(utf8(`${head}\r\n\r\n`), body, latin1('\r\n'))
  }
  pieces.push(latin1(`--${form.boundary}--${form.epilogue}`))
  return concatenate(pieces)
}

export function concatenate(pieces: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}

/**
 * A source that gives the bytes in reads of these sizes, over and over; a zero is a read without bytes. Like a byte
 * stream it transfers the memory, and it refuses to be read on and on after its end.
 */
export function chunked(bytes: Uint8Array, sizes: number[]): ByteReader & { reads: number; longestMemory: number } {
  let at = 0
  let ends = 0
  return {
    reads: 0,
    longestMemory: 0,
    async read(view) {
      const size = sizes.length === 0 ? view.length : (sizes[this.reads % sizes.length] as number)
      this.reads++
      this.longestMemory = Math.max(this.longestMemory, view.buffer.byteLength)
      if (view.length === 0) throw new Error('A read into no memory, which a byte stream refuses')
      const { byteOffset } = view
      const piece = bytes.subarray(at, at + Math.min(size, view.length))
      const memory = (view.buffer as ArrayBuffer).transfer()
      const value = new Uint8Array(memory, byteOffset, piece.length)
      value.set(piece)
      const done = at === bytes.length
      if (done && ++ends > 1) throw new Error('Read again after the end')
      at += piece.length
      return { done, value }
    },
  }
}

/** The bytes as a stream of chunks of these sizes, over and over: a byte stream, or one of plain chunks. */
export function streamed(bytes: Uint8Array, sizes: number[], type?: 'bytes'): ReadableStream<Uint8Array> {
  let at = 0
  let turn = 0
  const pull = (controller: ReadableStreamDefaultController<Uint8Array> | ReadableByteStreamController) => {
    if (at === bytes.length) return controller.close()
    const size = Math.max(sizes[turn++ % sizes.length] ?? bytes.length, 1)
    controller.enqueue(bytes.slice(at, at + size))
    at += size
    at = Math.min(at, bytes.length)
  }
  return type === 'bytes' ? new ReadableStream({ type, pull }) : new ReadableStream({ pull })
}

/** A way to read a part; null when it does not give the bytes. */
export type Consumer = (part: Part) => Promise<Uint8Array | null>

/** Fills a new buffer of this size each time. */
export const byBuffers =
  (size: number): Consumer =>
  async (part) => {
    const pieces: Uint8Array[] = []
    for (;;) {
      const { buffer, end, done } = await part.fill(new ArrayBuffer(size), 0)
      if (end > size || buffer.byteLength !== size) throw new Error('Not the memory that was given')
      if (end === 0 && !done) throw new Error('Neither a byte nor the end')
      pieces.push(new Uint8Array(buffer, 0, end))
      if (done) return concatenate(pieces)
    }
  }

/** Fills blocks to their last byte, as an R2 multipart upload needs them: only the last may be shorter. */
export const byBlocks =
  (size: number): Consumer =>
  async (part) => {
    const pieces: Uint8Array[] = []
    for (let done = false; !done; ) {
      let buffer: ArrayBuffer = new ArrayBuffer(size)
      let end = 0
      while (end < size && !done) {
        const before = end
        ;({ buffer, end, done } = await part.fill(buffer, end))
        if (end === before && !done) throw new Error('Neither a byte nor the end')
      }
      // A full block may be the last: the answer about a full buffer tells.
      if (end === size && !done) ({ buffer, end, done } = await part.fill(buffer, end))
      if (end < size && !done) throw new Error('A short block that is not the last')
      pieces.push(new Uint8Array(buffer, 0, end))
    }
    const after = await part.fill(new ArrayBuffer(1), 1)
    if (!after.done || after.end !== 1) throw new Error('A part that ended must stay ended')
    return concatenate(pieces)
  }

/** Only for bodies of ASCII. */
export const byText: Consumer = async (part) => latin1(await part.text())

export const bySkipping: Consumer = async (part) => {
  await part.skip()
  return null
}

/** Leaves the part to `next()`, unread or half read. */
export const byLeaving =
  (bytes: number): Consumer =>
  async (part) => {
    if (bytes > 0) await part.fill(new ArrayBuffer(bytes), 0)
    return null
  }

export interface ReadPart {
  name: string
  filename: string | undefined
  contentType: string | undefined
  body: Uint8Array | null
}

/** Reads a whole form, its parts by these consumers in turn. */
export async function readForm(
  source: ByteReader | ReadableStream<Uint8Array>,
  boundary: string,
  consumers: Consumer[],
  limits?: Partial<MultipartLimits>,
): Promise<ReadPart[]> {
  const reader = new MultipartReader(source, boundary, limits)
  const parts: ReadPart[] = []
  for (let part = await reader.next(); part !== null; part = await reader.next()) {
    const { name, filename, contentType } = part
    const consume = consumers[parts.length % consumers.length] as Consumer
    parts.push({ name, filename, contentType, body: await consume(part) })
  }
  if ((await reader.next()) !== null) throw new Error('A part behind the last')
  return parts
}
