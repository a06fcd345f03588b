import { useCallback, useEffect, useState } from 'preact/hooks'

/** Something that is fetched: undefined until it is there, and the error when it does not come. */
export interface Loaded<T> {
  value: T | undefined
  error: unknown
  /** Fetches it again; what was there stays until then. */
  reload(): void
}

/**
 * Fetches something whenever one of `inputs` changes; what was under way for the ones before is given up. `load` gets
 * the signal of that.
 */
export function useLoaded<T>(load: (signal: AbortSignal) => Promise<T>, inputs: readonly unknown[]): Loaded<T> {
  const [state, setState] = useState<{ value: T | undefined; error: unknown }>({ value: undefined, error: null })
  const [round, setRound] = useState(0)
  const reload = useCallback(() => setRound((before) => before + 1), [])
  useEffect(() => {
    const given = new AbortController()
    load(given.signal).then(
      (value) => given.signal.aborted || setState({ value, error: null }),
      (error) => given.signal.aborted || setState((before) => ({ ...before, error })),
    )
    return () => given.abort()
  }, [...inputs, round])
  return { ...state, reload }
}
