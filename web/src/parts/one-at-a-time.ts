/**
 * Gives a function that does `work`, and never twice at a time: whatever calls it during a run is answered by one more
 * run after that, so that the last run has seen all that was called for, and no answer is overtaken by an older one.
 * `work` catches its own errors.
 */
export function oneAtATime(work: () => Promise<void>): () => void {
  let isRunning = false
  let isOutOfDate = false
  const run = async () => {
    isOutOfDate = true
    if (isRunning) return
    isRunning = true
    while (isOutOfDate) {
      isOutOfDate = false
      await work()
    }
    isRunning = false
  }
  return () => void run()
}
