import { useEffect, useState } from 'preact/hooks'
import { clientFor, type HistoryEvent, StevedoreError, type UploadDetail } from '../../api.ts'
import { followDomain } from '../../live.ts'
import { oneAtATime } from '../../parts/one-at-a-time.ts'

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
    setState(nothingYet)

    const read = oneAtATime(async () => {
      if (isGone) return
      const next = await readFile(domain, id)
      if (!isGone) setState((before) => ({ ...before, ...next }))
    })

    read()
    const leave = followDomain(domain, (event) => {
      if (event.type === 'connected' || event.type === 'reset') read()
      else if (event.id !== id || event.type === 'progress') return
      else if (event.status === 'deleted') setState({ ...nothingYet, isDeleted: true })
      else read()
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
