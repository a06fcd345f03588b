import { defaultOptions } from 'tus-js-client'
import { clientFor, requestHeaders, StevedoreError } from '../api.ts'

/** An upload that was begun in this browser and not ended: its file is still on this device. */
export interface UnfinishedUpload {
  id: string
  url: string
  filename: string
  /** Bytes. */
  size: number
}

/** Where tus-js-client, and so Uppy, keeps them. */
const storage = defaultOptions.urlStorage
const tusVersion = { 'Tus-Resumable': '1.0.0' }

/** The unfinished uploads of a domain, as this browser remembers them. */
export async function listUnfinished(domain: string): Promise<UnfinishedUpload[]> {
  const kept = await storage.findAllUploads()
  return kept.flatMap(({ uploadUrl, size, metadata }) => {
    if (!uploadUrl || metadata.domain !== domain) return []
    const id = new URL(uploadUrl).pathname.split('/').at(-1) ?? ''
    return [{ id, url: uploadUrl, filename: metadata.filename ?? 'file', size: size ?? 0 }]
  })
}

/**
 * How many bytes the server has of an upload, asked as tus does: that takes no more than the right to upload. Null when
 * the upload can't be gone on with: it is over or gone. Throws when nobody can tell at the moment.
 */
export async function receivedOf(domain: string, { id, size }: UnfinishedUpload): Promise<number | null> {
  const headers = { ...requestHeaders(domain), ...tusVersion }
  const answer = await fetch(`/v1/tus/${encodeURIComponent(id)}`, { method: 'HEAD', headers })
  if ([404, 410].includes(answer.status)) return null
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`)
  const received = Number(answer.headers.get('Upload-Offset'))
  return received < size ? received : null
}

/** Deletes what the server has of an upload, and then forgets it. Throws as the client does. */
export async function discardUnfinished(domain: string, { id, url }: UnfinishedUpload): Promise<void> {
  try {
    await clientFor(domain).call('DELETE', `/v1/tus/${encodeURIComponent(id)}`, { headers: tusVersion })
  } catch (error) {
    const isGone = error instanceof StevedoreError && [404, 410].includes(error.status)
    if (!isGone) throw error
  }
  await forgetUnfinished(url)
}

/** Forgets that an upload can be gone on with. */
export async function forgetUnfinished(url: string | undefined): Promise<void> {
  const kept = await storage.findAllUploads()
  const gone = kept.filter(({ uploadUrl }) => uploadUrl === url)
  await Promise.all(gone.map(({ urlStorageKey }) => storage.removeUpload(urlStorageKey)))
}
