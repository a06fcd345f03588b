import type { ObjectBytes } from './bytes/object-bytes.ts'
import { inspectObject } from './inspect-object.ts'
import { type InspectOptions, inspectOptions } from './inspect-options.ts'
import { defineStep, type StepContext } from './step.ts'

const missing = {
  kind: 'verdict',
  verdict: 'failed',
  code: 'content-missing',
  detail: 'The stored file is gone. Upload it again.',
} as const

/**
 * Reads the stored object once, holds it against its row, and records what its format says about it
 * (`inspect-facts.ts`). Ranges of it are read besides, a bounded number.
 */
export const inspect = defineStep<InspectOptions>({
  name: 'inspect',
  options: inspectOptions,
  accepts: () => true,
  async run(context) {
    const { file, signal } = context
    const stream = await context.read()
    if (!stream) return missing
    const found = await inspectObject(file, { stream, object: objectOf(context), signal }, context.options)
    if (found.kind === 'corrupt') {
      const { stored } = found
      return {
        kind: 'verdict',
        verdict: 'failed',
        code: 'content-corrupt',
        detail: `The stored file has ${stored.size} bytes with SHA-256 ${stored.sha256}; ${file.size} with ${file.sha256} were received. Upload it again.`,
      }
    }
    if (found.bomb !== null)
      return { kind: 'verdict', verdict: 'quarantined', code: 'archive-bomb', detail: found.bomb }
    return { kind: 'result', result: found.facts }
  },
})

function objectOf({ file, read }: StepContext): ObjectBytes {
  return {
    size: file.size,
    async read(offset, length) {
      const stream = await read({ offset, length })
      if (!stream) throw new Error('The object is gone.')
      return new Uint8Array(await new Response(stream).arrayBuffer())
    },
  }
}
