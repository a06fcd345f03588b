import type { PictureAnswer, PictureMaker, PictureType } from '../../core/ports.ts'
import { readHeader } from '../pictures/read-header.ts'
import { defineStep, type Step, type StepContext, type StepOutcome } from '../step.ts'
import { type ImageOptions, imageOptions, type VariantOptions } from './options.ts'

/** What Cloudflare Images takes at most. A small file may be a picture of any size, so its header is read before. */
const maxSourceBytes = 100_000_000
const maxSourcePixels = 100_000_000
const maxSourceSide = 12_000

/** As much of a picture as is read for its size, which may stand behind previews and colour profiles. */
const headerBytes = 1024 * 1024

/** A variant is held in memory until it is stored. */
const maxVariantBytes = 16 * 1024 * 1024

/** The types that variants have, by what the header library calls them. */
const variantTypes: ReadonlyMap<string, PictureType> = new Map([
  ['jpg', 'image/jpeg'],
  ['png', 'image/png'],
  ['webp', 'image/webp'],
  ['avif', 'image/avif'],
])

/** What can be decoded. */
const readableTypes = /^image\/(jpeg|png|webp|gif|avif|heic|heif)$/

/** Why a variant could not be made. */
interface Problem {
  code: 'type-unsupported' | 'picture-unreadable' | 'picture-too-large' | 'variant-too-large'
  /** In a sentence. */
  detail: string
}

type Made = { type: PictureType; size: number; width: number; height: number }

/** Makes the variants that a policy names of every picture. What no variant can be made of is a result, and no failure. */
export function imageStep(pictures: PictureMaker | null): Step {
  return defineStep({
    name: 'image',
    options: imageOptions,
    accepts: (type) => type.startsWith('image/'),
    variantNames: ({ variants }) => Object.keys(variants),
    ...(pictures ? {} : { unavailable: 'needs the binding IMAGES, which this deployment does not have' }),
    async run(context) {
      if (!pictures) throw new Error('There is nothing to make pictures with.')
      const entries = Object.entries(context.options.variants)
      const results = new Map<string, Made | { problem: Problem }>()
      let problem = await problemOfSource(context)
      for (const [name, options] of entries) {
        context.signal.throwIfAborted()
        const result = problem ? { problem } : await makeVariant(name, options, context, pictures)
        // What can't be read for one can't be read for the next.
        if ('problem' in result && result.problem.code === 'picture-unreadable') problem = result.problem
        results.set(name, result)
        context.progress(results.size / entries.length)
      }
      return outcomeOf(results, context.options)
    },
  })
}

function outcomeOf(results: Map<string, Made | { problem: Problem }>, { required }: ImageOptions): StepOutcome {
  const failed = [...results].find(([, result]) => 'problem' in result)
  if (required && failed && 'problem' in failed[1]) {
    const [name, { problem }] = failed
    const detail = `The variant "${name}" could not be made. ${problem.detail}`
    return { kind: 'verdict', verdict: 'failed', code: problem.code, detail }
  }
  return { kind: 'result', result: { variants: Object.fromEntries(results) } }
}

/** What keeps every variant from being made, as far as the row and the file's first bytes tell. */
async function problemOfSource(context: StepContext): Promise<Problem | undefined> {
  const { type, size } = context.file
  if (!readableTypes.test(type)) {
    return { code: 'type-unsupported', detail: `No variants are made of ${type}.` }
  }
  if (size > maxSourceBytes) {
    return { code: 'picture-too-large', detail: `The file has ${size} bytes, of at most ${maxSourceBytes}.` }
  }
  if (size === 0) return unreadable
  const head = await open(context, { offset: 0, length: Math.min(size, headerBytes) })
  const header = readHeader(new Uint8Array(await new Response(head).arrayBuffer()))
  if (!header) return unreadable
  const { width, height } = header
  if (width * height > maxSourcePixels || Math.max(width, height) > maxSourceSide) {
    return {
      code: 'picture-too-large',
      detail: `The picture has ${width} × ${height} pixels, of at most ${maxSourcePixels}, and ${maxSourceSide} a side.`,
    }
  }
  return undefined
}

const unreadable: Problem = {
  code: 'picture-unreadable',
  detail: 'The picture is damaged, or written in a way that can not be read here.',
}

async function makeVariant(
  name: string,
  { format, ...options }: VariantOptions,
  context: StepContext,
  pictures: PictureMaker,
): Promise<Made | { problem: Problem }> {
  const answer = await pictures.make(() => open(context), {
    ...options,
    width: options.width,
    height: options.height,
    type: `image/${format}`,
    maxBytes: maxVariantBytes,
  })
  if (answer.kind === 'unreadable') return { problem: unreadable }
  if (answer.kind === 'too-large') {
    const detail = `The variant would have more than ${maxVariantBytes} bytes. Give it a smaller size or quality.`
    return { problem: { code: 'variant-too-large', detail } }
  }
  const made = describe(answer)
  await context.writeVariant({ name, ...made }, answer.bytes)
  return made
}

/** What was made, by its own bytes: a service may choose another format than it was asked for. Throws when it is none of ours. */
function describe({ bytes }: Extract<PictureAnswer, { kind: 'made' }>): Made {
  const header = readHeader(bytes)
  const type = header && variantTypes.get(header.format)
  if (!type)
    throw new Error(`What was made is no picture that variants may be, but ${header?.format ?? 'something else'}.`)
  return { type, size: bytes.byteLength, width: header.width, height: header.height }
}

async function open({ read }: StepContext, range?: { offset: number; length: number }) {
  const stream = await read(range)
  if (!stream) throw new Error('The stored file is gone.')
  return stream
}
