import type { Fetch } from '../transport.ts'

/** As much of XMLHttpRequest as is used here; the types of other runtimes have none. */
interface Xhr {
  readonly upload: { onprogress: ((event: { loaded: number }) => void) | null }
  readonly status: number
  readonly responseText: string
  onload: (() => void) | null
  onerror: (() => void) | null
  onabort: (() => void) | null
  open(method: string, url: string): void
  setRequestHeader(name: string, value: string): void
  getAllResponseHeaders(): string
  send(body: unknown): void
  abort(): void
}

const { XMLHttpRequest: XhrClass } = globalThis as { XMLHttpRequest?: new () => Xhr }

/** Whether this is a browser, outside of a service worker. */
export const hasXhr = XhrClass !== undefined

/** `fetch` that tells how many bytes of the body have been sent, which the browser's own does not. */
export function xhrFetch(onSent: (bytes: number) => void): Fetch {
  return (url, { method = 'GET', headers, body, signal }) =>
    new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      if (!XhrClass) throw new TypeError('There is no XMLHttpRequest here.')
      const xhr = new XhrClass()
      const stop = () => xhr.abort()
      xhr.open(method, url)
      for (const [name, value] of new Headers(headers)) xhr.setRequestHeader(name, value)
      xhr.upload.onprogress = ({ loaded }) => onSent(loaded)
      xhr.onload = () => {
        signal?.removeEventListener('abort', stop)
        resolve(new Response(xhr.responseText, { status: xhr.status, headers: parseHeaders(xhr) }))
      }
      xhr.onerror = () => reject(new TypeError('The request failed.'))
      xhr.onabort = () => reject(signal?.reason)
      signal?.addEventListener('abort', stop, { once: true })
      xhr.send(body)
    })
}

function parseHeaders(xhr: Xhr): Headers {
  const lines = xhr.getAllResponseHeaders().split('\r\n').filter(Boolean)
  return new Headers(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]))
}
