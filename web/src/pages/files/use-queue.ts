import { useEffect, useState } from 'preact/hooks'
import { type QueuedFile, type Uploader, uploadErrors, uploaderFor, uploadUrlOf } from '../../uploads/uploader.ts'

/** Where a file of the queue is. */
export type QueueState = 'waiting' | 'sending' | 'paused' | 'sent' | 'refused'

export interface QueueItem {
  id: string
  name: string
  /** Bytes. */
  size: number
  sent: number
  state: QueueState
  error: Error | undefined
  /** Where the upload is, once the server has said it. */
  url: string | undefined
}

/** The queue of a domain, as it changes. */
export function useQueue(domain: string): { uploader: Uploader; items: readonly QueueItem[] } {
  const uploader = uploaderFor(domain)
  const [files, setFiles] = useState(() => uploader.getFiles())
  useEffect(() => {
    const update = () => setFiles(uploader.getFiles())
    update()
    uploader.on('state-update', update)
    return () => uploader.off('state-update', update)
  }, [uploader])
  const errors = uploadErrors.value
  return { uploader, items: files.map((file) => toItem(file, errors.get(file.id))) }
}

function toItem(file: QueuedFile, error: Error | undefined): QueueItem {
  const { progress, isPaused } = file
  return {
    id: file.id,
    name: file.name ?? 'file',
    size: file.size ?? 0,
    sent: progress.uploadComplete ? (file.size ?? 0) : progress.bytesUploaded || 0,
    state: stateOf(),
    error,
    url: uploadUrlOf(file),
  }

  function stateOf(): QueueState {
    if (progress.uploadComplete) return 'sent'
    if (error) return 'refused'
    if (isPaused) return 'paused'
    return progress.uploadStarted ? 'sending' : 'waiting'
  }
}
