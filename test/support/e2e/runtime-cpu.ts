import { existsSync } from 'node:fs'
import { childrenRunning, cpuSeconds } from '../../../bench/runtime/process-usage.ts'

const sampleMs = 100

/** How much CPU time the Worker's runtime has used, with its D1, R2 and queue, over a time that is watched. */
export interface RuntimeCpu {
  /** Milliseconds used until then (milliseconds since 1970); NaN where the system does not tell. */
  msUntil(time: number): number
  stop(): void
}

/** Begins to watch all runtimes of this process. On a busy machine their CPU time says more than the clock's. */
export function watchRuntimeCpu(): RuntimeCpu {
  const samples: { time: number; ms: number }[] = []
  const sample = () => {
    const seconds = childrenRunning('workerd').reduce((sum, pid) => sum + cpuSeconds(pid), 0)
    samples.push({ time: Date.now(), ms: seconds * 1000 })
  }
  const isTold = existsSync('/proc/self/stat')
  if (isTold) sample()
  const timer = isTold ? setInterval(sample, sampleMs).unref() : undefined
  return {
    msUntil: (time) => samples.findLast((taken) => taken.time <= time)?.ms ?? Number.NaN,
    stop: () => clearInterval(timer),
  }
}
