import { Unavailable } from '../core/errors.ts'
import type { PictureAnswer, PictureForm, PictureMaker } from '../core/ports.ts'
import { stripJpegMetadata } from './strip-jpeg-metadata.ts'

/** A grey PNG of one pixel: whoever can't make something of this can make nothing at all. */
const knownGood = Uint8Array.from(
  atob('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGOoBwAAgQCA05RTSgAAAABJRU5ErkJggg=='),
  (character) => character.charCodeAt(0),
)

/** Pictures by the Cloudflare Images binding. */
export class CloudflareImages implements PictureMaker {
  readonly #images: ImagesBinding

  constructor(images: ImagesBinding) {
    this.#images = images
  }

  /**
   * A damaged picture and a service in trouble end in the same error (9523). So what failed is tried a second time, and
   * then a picture that is known to be good: if that works, the fault is with this one. Throws `Unavailable` if not.
   */
  async make(open: () => Promise<ReadableStream<Uint8Array>>, form: PictureForm): Promise<PictureAnswer> {
    for (let attempt = 1; attempt <= 2; attempt++) {
      const picture = await open()
      const answer = await this.#transform(picture, form).catch(() => null)
      if (answer) return answer
    }
    try {
      await this.#transform(new Response(knownGood).body as ReadableStream<Uint8Array>, form)
    } catch (error) {
      throw new Unavailable('Cloudflare Images did not do its work.', { cause: error })
    }
    return { kind: 'unreadable' }
  }

  async #transform(picture: ReadableStream<Uint8Array>, form: PictureForm): Promise<PictureAnswer> {
    const { type, width, height, fit, quality, maxBytes } = form
    const size = { ...(width === undefined ? {} : { width }), ...(height === undefined ? {} : { height }) }
    // What moves stays still: its first frame alone, as it is where animations are not known at all.
    const result = await this.#images
      .input(picture)
      .transform({ ...size, fit })
      .output({ format: type, quality, anim: false })
    const bytes = await readAtMost(result.image(), maxBytes)
    if (!bytes) return { kind: 'too-large' }
    // Of a JPEG the service keeps the copyright notice, a name perhaps; of the other formats it keeps nothing.
    return { kind: 'made', bytes: type === 'image/jpeg' ? stripJpegMetadata(bytes) : bytes }
  }
}

/** A stream's bytes; null when there are more than this. */
async function readAtMost(stream: ReadableStream<Uint8Array>, maxBytes: number): Promise<Uint8Array | null> {
  const chunks: Uint8Array[] = []
  let size = 0
  // Leaving the loop cancels the stream.
  for await (const chunk of stream) {
    size += chunk.byteLength
    if (size > maxBytes) return null
    chunks.push(chunk)
  }
  const bytes = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.byteLength
  }
  return bytes
}
