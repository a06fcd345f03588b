import { z } from 'zod'
import { defineStep } from '../../src/processing/step.ts'

/** Counts the words of a text, and refuses one that has too few. */
export const countWords = defineStep({
  name: 'count-words',
  options: z.strictObject({ atLeast: z.int().min(0).default(0).describe('The fewest words that a text may have.') }),
  accepts: (type) => type.startsWith('text/'),
  async run({ options, read }) {
    const content = await read()
    if (!content) return { kind: 'retry', detail: 'the file could not be read' }
    let words = 0
    let isInWord = false
    for await (const text of content.pipeThrough(new TextDecoderStream())) {
      for (const letter of text) {
        if (!isInWord && letter.trim() !== '') words++
        isInWord = letter.trim() !== ''
      }
    }
    if (words >= options.atLeast) return { kind: 'result', result: { words } }
    const detail = `The text has ${words} words; at least ${options.atLeast} are wanted.`
    return { kind: 'verdict', verdict: 'failed', code: 'too-few-words', detail }
  },
})
