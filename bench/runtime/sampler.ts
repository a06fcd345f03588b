import { setTimeout as sleep } from 'node:timers/promises'

export interface Sample {
  /** 0 at the start, 1 at the end of what was sampled. */
  at: number
  value: number
}

/** Takes a value over and over for as long as the work goes on. */
export async function sampled<Result>(
  work: () => Promise<Result>,
  take: () => number | Promise<number>,
  everyMs = 20,
): Promise<{ result: Result; samples: Sample[] }> {
  const taken: { time: number; value: number }[] = []
  const start = performance.now()
  let running = true
  const sampling = (async () => {
    while (running) {
      taken.push({ value: await take(), time: performance.now() - start })
      await sleep(everyMs)
    }
  })()
  try {
    const result = await work()
    const took = performance.now() - start
    return { result, samples: taken.map(({ time, value }) => ({ at: Math.min(time / took, 1), value })) }
  } finally {
    running = false
    await sampling
  }
}

export function highest(samples: readonly Sample[]): number {
  return samples.reduce((most, { value }) => Math.max(most, value), 0)
}
