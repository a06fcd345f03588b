import { vi } from 'vitest'

/** Lets time pass for timers and clocks alike while something waits for it. */
export async function passing<T>(milliseconds: number, run: () => Promise<T>): Promise<T> {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  try {
    let isOver = false
    const result = run().finally(() => {
      isOver = true
    })
    for (let passed = 0; !isOver && passed < milliseconds; passed += 500) {
      await vi.advanceTimersByTimeAsync(500)
      // The platform's own answers come by its event loop, which no fake timer turns.
      await scheduler.wait(1)
    }
    return await result
  } finally {
    vi.useRealTimers()
  }
}
