import type { JobQueue, Meter } from '../core/ports.ts'

/** The same queue, each of its publishes counted and timed. */
export function measuredQueue(queue: JobQueue, meter: Meter): JobQueue {
  return {
    async publish(jobs, options) {
      const end = meter('queue')
      try {
        await queue.publish(jobs, options)
        end()
      } catch (error) {
        end('failed')
        throw error
      }
    },
  }
}
