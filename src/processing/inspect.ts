import { createHash } from 'node:crypto'
import { imageSize } from 'image-size'
import { z } from 'zod'
import { defineStep, type StepContext } from './step.ts'

const readBytes = 1024 * 1024
/** An image tells its size at its beginning; a photograph may have a preview and a colour profile before that. */
const headBytes = 256 * 1024

/** Reads the stored object once and holds it against its row; an image's width, height and format are recorded. */
export const inspect = defineStep({
  name: 'inspect',
  options: z.strictObject({}),
  accepts: () => true,
  async run(context) {
    const { file } = context
    const stored = await readThrough(context)
    if (stored === null) {
      return {
        kind: 'verdict',
        verdict: 'failed',
        code: 'content-missing',
        detail: 'The stored file is gone. Upload it again.',
      }
    }
    if (stored.size !== file.size || stored.sha256 !== file.sha256) {
      return {
        kind: 'verdict',
        verdict: 'failed',
        code: 'content-corrupt',
        detail: `The stored file has ${stored.size} bytes with SHA-256 ${stored.sha256}; ${file.size} with ${file.sha256} were received. Upload it again.`,
      }
    }
    return {
      kind: 'result',
      result: {
        size: stored.size,
        sha256: stored.sha256,
        ...(file.type.startsWith('image/') ? imageFacts(stored.head) : {}),
      },
    }
  },
})

/** Counts and hashes the object in constant memory, and keeps its beginning. */
async function readThrough({ read, signal }: StepContext): Promise<{
  size: number
  sha256: string
  head: Uint8Array
} | null> {
  const stream = await read()
  if (!stream) return null
  const reader = stream.getReader({ mode: 'byob' })
  const hash = createHash('sha256')
  const head = new Uint8Array(headBytes)
  let size = 0
  let memory = new ArrayBuffer(readBytes)
  for (;;) {
    const { done, value } = await reader.read(new Uint8Array(memory))
    if (done || !value) break
    signal.throwIfAborted()
    hash.update(value)
    if (size < headBytes) head.set(value.subarray(0, headBytes - size), size)
    size += value.byteLength
    memory = value.buffer as ArrayBuffer
  }
  return {
    size,
    sha256: hash.digest('hex'),
    head: head.subarray(0, Math.min(size, headBytes)),
  }
}

function imageFacts(head: Uint8Array): Record<string, unknown> {
  try {
    const { width, height, type } = imageSize(head)
    // A header that is cut off before the size reads as zeros.
    return width > 0 && height > 0 ? { width, height, format: type } : {}
  } catch {
    // A kind of image that is not known here, or a damaged one: there is nothing to record, and nothing wrong with that.
    return {}
  }
}
