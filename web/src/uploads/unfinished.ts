import { defaultOptions } from 'tus-js-client'

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

/** The unfinished uploads of a domain, as this browser remembers them. */
export async function listUnfinished(domain: string): Promise<UnfinishedUpload[]> {
  const kept = await storage.findAllUploads()
  return kept.flatMap(({ uploadUrl, size, metadata }) => {
    if (!uploadUrl || metadata.domain !== domain) return []
    const id = new URL(uploadUrl).pathname.split('/').at(-1) ?? ''
    return [{ id, url: uploadUrl, filename: metadata.filename ?? 'file', size: size ?? 0 }]
  })
}

/** Forgets that an upload can be gone on with. */
export async function forgetUnfinished(url: string | undefined): Promise<void> {
  const kept = await storage.findAllUploads()
  const gone = kept.filter(({ uploadUrl }) => uploadUrl === url)
  await Promise.all(gone.map(({ urlStorageKey }) => storage.removeUpload(urlStorageKey)))
}
