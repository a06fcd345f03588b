import { useState } from 'preact/hooks'

/** What buttons start: whether something is under way, and why the last one failed. */
export interface Action {
  isBusy: boolean
  error: unknown
  start(work: () => Promise<unknown>): void
}

export function useAction(): Action {
  const [isBusy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const start = async (work: () => Promise<unknown>) => {
    setBusy(true)
    setError(null)
    try {
      await work()
    } catch (failure) {
      setError(failure)
    } finally {
      setBusy(false)
    }
  }
  return { isBusy, error, start: (work) => void start(work) }
}
