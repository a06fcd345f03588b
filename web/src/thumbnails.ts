import { RateLimitedQueue } from '@uppy/core/utils'
import { clientFor, type Upload, type UploadDetail, type Variant } from './api.ts'

/** A picture that the page may show: its key is needed to read it, and `<img>` can send none, so it is fetched first. */
export interface Picture {
  /** A `blob:` address. */
  url: string
  variant: Variant
}

/** How many pictures are kept in memory. */
const mostKept = 300

/** So many thumbnails are fetched at once at most; the others wait, and leave room for what else the page asks for. */
const fetching = new RateLimitedQueue(6)

const kept = new Map<string, Promise<Picture | null>>()

/** Aborted when the session ends. */
let session = new AbortController()

/** Whether an upload may have a picture. */
export function isPicture({ type, status }: Pick<Upload, 'type' | 'status'>): boolean {
  return status === 'complete' && type.startsWith('image/')
}

/** Ends with the session that the pictures were fetched for: what waits is not asked for with the next one's key. */
export function forgetPictures(): void {
  session.abort()
  session = new AbortController()
  for (const picture of kept.values()) letGo(picture)
  kept.clear()
}

/** The smallest picture that a step has made of an upload; null when there is none. */
export function thumbnailOf({ domain, id, generation }: Upload): Promise<Picture | null> {
  const { signal } = session
  const fetchSmallest = fetching.wrapPromiseFunction(async () => {
    signal.throwIfAborted()
    const { variants } = await clientFor(domain).get(id, { signal })
    const smallest = bySize(variants)[0]
    return smallest ? fetchVariant(domain, id, smallest, signal) : null
  })
  return remember(`${id}/${generation}/thumbnail`, fetchSmallest)
}

/** The largest one; null when there is none. */
export function previewOf({ domain, id, generation, variants }: UploadDetail): Promise<Picture | null> {
  const largest = bySize(variants).at(-1)
  if (!largest) return Promise.resolve(null)
  return remember(`${id}/${generation}/${largest.name}`, () => fetchVariant(domain, id, largest, session.signal))
}

function bySize(variants: readonly Variant[]): Variant[] {
  const pictures = variants.filter(({ type }) => type.startsWith('image/'))
  return pictures.toSorted((one, other) => (one.width ?? 0) - (other.width ?? 0))
}

async function fetchVariant(domain: string, id: string, variant: Variant, signal: AbortSignal): Promise<Picture> {
  const answer = await clientFor(domain).download(id, { variant: variant.name, signal })
  return { url: URL.createObjectURL(await answer.blob()), variant }
}

/** What did not come is asked for again the next time; what was not looked at for long is let go. */
function remember(key: string, make: () => Promise<Picture | null>): Promise<Picture | null> {
  const picture = kept.get(key) ?? make()
  kept.delete(key)
  kept.set(key, picture)
  picture.catch(() => kept.get(key) === picture && kept.delete(key))
  for (const [oldest, dropped] of kept) {
    if (kept.size <= mostKept) break
    kept.delete(oldest)
    letGo(dropped)
  }
  return picture
}

function letGo(picture: Promise<Picture | null>): void {
  picture.then((gone) => gone && URL.revokeObjectURL(gone.url)).catch(() => {})
}
