import { createHash } from 'node:crypto'
import type { Stretch } from './object-bytes.ts'

/** Most formats say what they are at their beginning: a photograph has a preview and a colour profile before that. */
const headBytes = 256 * 1024
/** The directory of an archive and the cross-references of a document are at the end; a ZIP's comment takes 64 KiB. */
const tailBytes = 128 * 1024
const readBytes = 1024 * 1024

/** What looks at every byte on its way, in order and in constant memory. A piece is only good until `pass` returns. */
export interface Tap {
  pass(piece: Uint8Array): void
}

/** What one reading of a whole object has shown. */
export interface PassResult {
  size: number
  /** Hexadecimal. */
  sha256: string
  /** Its beginning and its end, which need no reading again. */
  kept: readonly Stretch[]
}

/**
 * Reads an object once from its first to its last byte, in constant memory: counts and hashes it, keeps its beginning
 * and its end, and shows every byte to the taps. `expectedSize` tells where the end begins.
 */
export async function passOver(
  stream: ReadableStream<Uint8Array>,
  expectedSize: number,
  taps: readonly Tap[],
  signal: AbortSignal,
): Promise<PassResult> {
  const reader = stream.getReader({ mode: 'byob' })
  const hash = createHash('sha256')
  const head = new Keeper(0, Math.min(headBytes, expectedSize))
  const tailStart = Math.max(expectedSize - tailBytes, head.length)
  const tail = new Keeper(tailStart, expectedSize - tailStart)
  let size = 0
  let memory = new ArrayBuffer(readBytes)
  for (;;) {
    const { done, value } = await reader.read(new Uint8Array(memory))
    if (done || !value) break
    signal.throwIfAborted()
    hash.update(value)
    head.keep(value, size)
    tail.keep(value, size)
    for (const tap of taps) tap.pass(value)
    size += value.byteLength
    memory = value.buffer as ArrayBuffer
  }
  return { size, sha256: hash.digest('hex'), kept: [head.stretch, tail.stretch] }
}

/** Keeps one stretch of what passes. */
class Keeper {
  readonly stretch: Stretch

  constructor(offset: number, length: number) {
    this.stretch = { offset, bytes: new Uint8Array(length) }
  }

  get length(): number {
    return this.stretch.bytes.length
  }

  keep(piece: Uint8Array, at: number): void {
    const { offset, bytes } = this.stretch
    const from = Math.max(offset, at)
    const to = Math.min(offset + bytes.length, at + piece.length)
    if (from < to) bytes.set(piece.subarray(from - at, to - at), from - offset)
  }
}
