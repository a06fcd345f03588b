import { setTimeout as sleep } from 'node:timers/promises'

const pollMs = 25

/**
 * Waits until `check` no longer throws and gives back what it returns. After `withinMs` its last error is thrown: the
 * limit is there for what never comes true, so it is far above what anything should take.
 */
export async function eventually<T>(check: () => T | Promise<T>, withinMs = 30_000): Promise<T> {
  const deadline = Date.now() + withinMs
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (Date.now() > deadline) throw error
    }
    await sleep(pollMs)
  }
}
