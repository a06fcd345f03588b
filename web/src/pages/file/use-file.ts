import { useEffect, useState } from 'preact/hooks'
import { clientFor, type HistoryEvent, StevedoreError, type UploadDetail } from '../../api.ts'
import { followDomain } from '../../live.ts'

export interface FileState {
  /** Undefined until it is there. */
  upload: UploadDetail | undefined
  history: readonly HistoryEvent[]
  /** It has been deleted, here or elsewhere. */
  isDeleted: boolean
  error: unknown
}

const nothingYet: FileState = { upload: undefined, history: [], isDeleted: false, error: null }

/** One upload with what has happened to it, read again whenever something does. */
export function useFile(domain: string, id: string): FileState {
  const [state, setState] = useState<FileState>(nothingYet)
  useEffect(() => {
    let isGone = false
    let isReading = false
    let isOutOfDate = false
    setState(nothingYet)

    // One reading at a time: what happens during one is seen by the next.
    const read = async () => {
      isOutOfDate = true
      if (isReading) return
      isReading = true
      while (isOutOfDate && !isGone) {
        isOutOfDate = false
        const next = await readFile(domain, id)
        if (!isGone) setState((before) => ({ ...before, ...next }))
      }
      isReading = false
    }

    void read()
    const leave = followDomain(domain, (event) => {
      if (event.type === 'connected' || event.type === 'reset') void read()
      else if (event.id !== id || event.type === 'progress') return
      else if (event.status === 'deleted') setState({ ...nothingYet, isDeleted: true })
      else void read()
    })
    return () => {
      isGone = true
      leave()
    }
  }, [domain, id])
  return state
}

async function readFile(domain: string, id: string): Promise<Partial<FileState>> {
  try {
    const client = clientFor(domain)
    const [upload, history] = await Promise.all([
      client.get(id),
      client.call<{ events: HistoryEvent[] }>('GET', `/v1/uploads/${encodeURIComponent(id)}/history`, {
        query: { limit: 100 },
      }),
    ])
    return { upload, history: history.events, error: null }
  } catch (error) {
    if (error instanceof StevedoreError && error.code === 'upload-deleted') return { ...nothingYet, isDeleted: true }
    return { error }
  }
}
