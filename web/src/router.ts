import { signal } from '@preact/signals'

/** Where the console is: what stands behind `#` in the address. */
export interface Place {
  /** The decoded parts of the path: `#/files/demo` is `['files', 'demo']`. */
  readonly segments: readonly string[]
  readonly query: URLSearchParams
}

/** The present place. It follows the address, and so the browser's own way back. */
export const place = signal(readPlace())
addEventListener('hashchange', () => {
  place.value = readPlace()
})

/** The address of a place in the console, for `href`; what is undefined or empty in the query is left out. */
export function hrefTo(segments: readonly string[], query: Record<string, string | undefined> = {}): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value) parameters.set(name, value)
  const search = parameters.size > 0 ? `?${parameters}` : ''
  return `#/${segments.map(encodeURIComponent).join('/')}${search}`
}

/** Goes to a place; with `replace` the one before is not come back to. */
export function goTo(href: string, { replace = false } = {}): void {
  if (!replace) {
    location.hash = href
    return
  }
  history.replaceState(null, '', href)
  place.value = readPlace()
}

function readPlace(): Place {
  const [path = '', search = ''] = location.hash.replace(/^#\/?/, '').split('?')
  const segments = path.split('/').filter(Boolean).map(decode)
  return { segments, query: new URLSearchParams(search) }
}

/** An address is what anybody may have typed. */
function decode(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}
