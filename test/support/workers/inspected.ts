import { createHash } from 'node:crypto'
import type { ObjectBytes } from '../../../src/processing/bytes/object-bytes.ts'
import { type Inspection, inspectObject } from '../../../src/processing/inspect-object.ts'
import { type InspectOptions, inspectOptions } from '../../../src/processing/inspect-options.ts'

/** What a policy that says nothing asks for. */
const defaults = inspectOptions.parse({})

/** An object made of stretches of bytes, with zeros between: as large as one likes. */
export class SparseObject implements ObjectBytes {
  readonly size: number
  readonly #stretches: readonly (readonly [offset: number, bytes: Uint8Array])[]
  /** The lengths of the ranges that were read. */
  readonly rangesRead: number[] = []

  constructor(size: number, ...stretches: (readonly [number, Uint8Array])[]) {
    this.size = size
    this.#stretches = stretches
  }

  static of(bytes: Uint8Array): SparseObject {
    return new SparseObject(bytes.length, [0, bytes])
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    this.rangesRead.push(length)
    return this.#bytes(offset, length)
  }

  /** All of it, in pieces of this size. */
  stream(pieceBytes: number): ReadableStream<Uint8Array> {
    let at = 0
    return new ReadableStream({
      type: 'bytes',
      pull: (controller) => {
        if (at < this.size) controller.enqueue(this.#bytes(at, Math.min(pieceBytes, this.size - at)))
        at += pieceBytes
        if (at < this.size) return
        controller.close()
        controller.byobRequest?.respond(0)
      },
    })
  }

  #bytes(offset: number, length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length)
    for (const [start, stretch] of this.#stretches) {
      const [from, to] = [Math.max(start, offset), Math.min(start + stretch.length, offset + length)]
      if (from < to) bytes.set(stretch.subarray(from - start, to - start), from - offset)
    }
    return bytes
  }
}

/** Inspects an object as the step does, and tells which ranges of it were read. */
export async function inspected(
  type: string,
  content: Uint8Array | SparseObject,
  {
    pieceBytes = 64 * 1024,
    charset = null as 'utf-8' | null,
    sha256 = '',
    options = {} as Partial<InspectOptions>,
  } = {},
): Promise<{ inspection: Inspection; rangesRead: number[] }> {
  const object = content instanceof SparseObject ? content : SparseObject.of(content)
  const digest = sha256 || (await digestOf(object))
  const inspection = await inspectObject(
    { type, size: object.size, sha256: digest, charset },
    { stream: object.stream(pieceBytes), object, signal: new AbortController().signal },
    { ...defaults, ...options },
  )
  return { inspection, rangesRead: object.rangesRead }
}

/** The facts of a whole object. */
export async function factsOf(...of: Parameters<typeof inspected>) {
  const { inspection } = await inspected(...of)
  if (inspection.kind === 'corrupt') throw new Error('The test gave another digest.')
  return inspection.facts
}

async function digestOf(object: SparseObject): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of object.stream(1024 * 1024)) hash.update(piece)
  return hash.digest('hex')
}
