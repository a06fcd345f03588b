import { useCallback, useEffect, useRef, useState } from 'preact/hooks'

/** One page of a list; the next one begins at `nextCursor`, null where there is none. */
interface Page<Item> {
  items: Item[]
  nextCursor: string | null
}

/** A list that is fetched page by page: undefined until its first page is there. */
export interface Paged<Item> {
  items: Item[] | undefined
  error: unknown
  hasMore: boolean
  /** How many pages are there. */
  pageCount: number
  /** Fetches the next page. */
  more(): void
  /** Begins again with the first page; what was there stays until then. */
  reload(): void
}

/** Fetches the first page of a list whenever one of `inputs` changes, and each further one when it is asked for. */
export function usePages<Item>(
  load: (cursor: string | undefined, signal: AbortSignal) => Promise<Page<Item>>,
  inputs: readonly unknown[],
): Paged<Item> {
  const [items, setItems] = useState<Item[]>()
  const [nextCursor, setNextCursor] = useState<string | null>(null)
  const [pageCount, setPageCount] = useState(0)
  const [error, setError] = useState<unknown>(null)
  const [round, setRound] = useState(0)
  const current = useRef(new AbortController())

  const take = (cursor: string | undefined, before: Item[]) => {
    const { signal } = current.current
    load(cursor, signal).then(
      (page) => {
        if (signal.aborted) return
        setItems([...before, ...page.items])
        setNextCursor(page.nextCursor)
        setPageCount((count) => (cursor === undefined ? 1 : count + 1))
        setError(null)
      },
      (failure) => signal.aborted || setError(failure),
    )
  }

  useEffect(() => {
    const given = new AbortController()
    current.current = given
    take(undefined, [])
    return () => given.abort()
  }, [...inputs, round])

  const reload = useCallback(() => setRound((before) => before + 1), [])
  const more = () => take(nextCursor ?? undefined, items ?? [])
  return { items, error, hasMore: nextCursor !== null, pageCount, more, reload }
}
