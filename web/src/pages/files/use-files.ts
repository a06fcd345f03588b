import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { clientFor, type Upload } from '../../api.ts'
import { followDomain, type LiveEvent } from '../../live.ts'
import { oneAtATime } from '../../parts/one-at-a-time.ts'
import { type Filter, toListOptions } from './filter.ts'
import { type Pages, withFollowing, withNewest } from './pages.ts'

export interface Files {
  /** Undefined until the first page is there. */
  uploads: readonly Upload[] | undefined
  error: unknown
  hasMore: boolean
  isLoadingMore: boolean
  loadMore(): void
}

const pageSize = 50

/** However much happens, the newest page is not asked for more often than this. */
const refreshEveryMs = 500

/**
 * A domain's files, newest first, by pages, and kept up to date by what is told of them: the status at once, all else by
 * reading the newest page again.
 */
export function useFiles(domain: string, filter: Filter): Files {
  const [shown, setShown] = useState<Pages<Upload> | undefined>()
  const [error, setError] = useState<unknown>(null)
  const [isLoadingMore, setLoadingMore] = useState(false)
  const options = JSON.stringify(toListOptions(filter))
  const load = useCallback(
    (cursor?: string) => clientFor(domain).listPage({ ...JSON.parse(options), limit: pageSize, cursor }),
    [domain, options],
  )
  /** Only the newest question is answered: what was asked for another filter comes too late. */
  const asked = useRef(load)
  asked.current = load

  useEffect(() => {
    setShown(undefined)
    const refresh = oneAtATime(async () => {
      if (asked.current !== load) return
      try {
        const page = await load()
        if (asked.current !== load) return
        setShown((before) => withNewest(before, page))
        setError(null)
      } catch (failure) {
        if (asked.current === load) setError(failure)
      }
    })
    let refreshedAt = 0
    let timer: ReturnType<typeof setTimeout> | undefined
    const refreshNow = () => {
      timer = undefined
      refreshedAt = Date.now()
      refresh()
    }
    const refreshSoon = () => {
      timer ??= setTimeout(refreshNow, refreshedAt + refreshEveryMs - Date.now())
    }
    refreshNow()
    const leave = followDomain(domain, (event) => {
      if (event.type === 'progress') return
      setShown((before) => before && { ...before, uploads: withEvent(before.uploads, event) })
      refreshSoon()
    })
    return () => {
      leave()
      clearTimeout(timer)
    }
  }, [domain, load])

  const loadMore = async () => {
    const last = shown?.uploads.at(-1)
    if (!shown?.nextCursor || !last) return
    setLoadingMore(true)
    try {
      const page = await load(shown.nextCursor)
      if (asked.current !== load) return
      setShown((before) => before && withFollowing(before, page, last.id))
    } catch (failure) {
      setError(failure)
    } finally {
      setLoadingMore(false)
    }
  }

  return { uploads: shown?.uploads, error, hasMore: Boolean(shown?.nextCursor), isLoadingMore, loadMore }
}

function withEvent(uploads: readonly Upload[], event: LiveEvent): readonly Upload[] {
  if (!('number' in event)) return uploads
  if (event.status === 'deleted') return uploads.filter(({ id }) => id !== event.id)
  return uploads.map((upload) =>
    upload.id === event.id && upload.lastEvent < event.number
      ? {
          ...upload,
          status: event.status,
          failure: event.failure,
          generation: event.generation,
          lastEvent: event.number,
        }
      : upload,
  )
}
