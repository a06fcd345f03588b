import type { HttpRequest, HttpStack, UploadOptions } from 'tus-js-client'
import type { Fetch } from '../transport.ts'

/** What tus-js-client needs to send a Blob by `fetch`, in Node and Workers. */

type FileReader = NonNullable<UploadOptions['fileReader']>

export const blobReader: FileReader = {
  openFile: async (blob: Blob) => ({
    size: blob.size,
    slice: async (start, end) => ({ value: blob.slice(start, end), done: end >= blob.size }),
    close: () => {},
  }),
}

/** Requests by `fetch`, which tells of no progress within one. */
export function fetchStack(fetch: Fetch): HttpStack {
  return { getName: () => 'fetch', createRequest: (method, url) => fetchRequest(fetch, method, url) }
}

function fetchRequest(fetch: Fetch, method: string, url: string): HttpRequest {
  const headers = new Headers()
  const abort = new AbortController()
  return {
    getMethod: () => method,
    getURL: () => url,
    setHeader: (name, value) => headers.set(name, value),
    getHeader: (name) => headers.get(name) ?? undefined,
    setProgressHandler: () => {},
    send: async (body: Blob | null) => {
      const response = await fetch(url, { method, headers, signal: abort.signal, ...(body && { body }) })
      const text = await response.text()
      return {
        getStatus: () => response.status,
        getHeader: (name) => response.headers.get(name) ?? undefined,
        getBody: () => text,
        getUnderlyingObject: () => response,
      }
    },
    abort: async () => abort.abort(),
    getUnderlyingObject: () => null,
  }
}
