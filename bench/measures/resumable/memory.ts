import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from '../../client/client.ts'
import { median } from '../../report/ratio.ts'
import { comparison, mebibytes, type Row } from '../../report/row.ts'
import { openDomain } from '../../runtime/application.ts'
import { peakResidentBytes, resetPeak, residentBytes } from '../../runtime/process-usage.ts'
import { type Runtime, startRuntime } from '../../runtime/runtime.ts'
import { highest, sampled } from '../../runtime/sampler.ts'
import type { Bench } from '../measure.ts'
import { inRounds } from '../rounds.ts'
import { type Amount, bringToUs, putRaw, workers } from './contenders.ts'

const mebibyte = 1024 ** 2
const mostGrowthBytes = 48 * mebibyte

/** One append of 500 MB: the memory of the runtime above idle, against R2 taking the bytes as they come. */
export async function memoryOfAppend(bench: Bench): Promise<Row[]> {
  const bytes = bench.quick ? 20_000_000 : 500_000_000
  const { ours, other } = await compare(bench, { uploads: 1, bytes, appendBytes: bytes })
  bench.say(
    `above idle: ${ours.map((run, i) => `${mebibytes(run.above)}/${mebibytes(other[i]?.above ?? 0)}`).join(' ')}`,
  )
  return [
    comparison('500 MB by tus, one append: memory above idle', {
      ours: ours.map(({ above }) => above),
      other: other.map(({ above }) => above),
      format: mebibytes,
      against: 'R2.put',
      target: { atMost: 0.5 },
    }),
  ]
}

/** 3 GB in appends of 64 MiB: how much more memory the last quarter of it takes than the first. */
export async function flatMemory(bench: Bench): Promise<Row[]> {
  const amount = bench.quick
    ? { uploads: 1, bytes: 64_000_000, appendBytes: 8 * mebibyte }
    : { uploads: 1, bytes: 3_000_000_000, appendBytes: 64 * mebibyte }
  const { ours, other } = await compare(bench, amount)
  const [growth, theirs] = [ours, other].map((runs) => runs.map((run) => run.growth)) as [number[], number[]]
  bench.say(`growth: ${growth.map(mebibytes).join(' ')}; of R2.put: ${theirs.map(mebibytes).join(' ')}`)
  return [
    {
      measure: '3 GB by tus, 64 MiB appends: growth from the first quarter to the last',
      ours: `${mebibytes(median(growth))} (${mebibytes(Math.min(...growth))} to ${mebibytes(Math.max(...growth))})`,
      other: `${mebibytes(median(theirs))} R2.put`,
      ratio: null,
      target: `≤ ${mebibytes(mostGrowthBytes)}`,
      met: median(growth) <= mostGrowthBytes,
    },
  ]
}

interface Run {
  /** The peak above what the warm, idle process held. */
  above: number
  /** How much higher it was in the last quarter of the time than in the first. */
  growth: number
}

async function compare({ client, quick }: Bench, amount: Amount): Promise<{ ours: Run[]; other: Run[] }> {
  return inRounds(quick ? 1 : 5, {
    ours: () => inFreshRuntime(client, (runtime) => bringToUs(client, runtime, amount)),
    other: () => inFreshRuntime(client, (runtime) => putRaw(client, runtime, amount.bytes)),
  })
}

/** A process of its own each: an allocator keeps what it once had, and the next run would find it. */
async function inFreshRuntime(client: Client, work: (runtime: Runtime) => Promise<void>): Promise<Run> {
  const runtime = await startRuntime(workers)
  try {
    await openDomain(runtime)
    for (let i = 0; i < 5; i++) {
      await bringToUs(client, runtime, { uploads: 1, bytes: 10_000, appendBytes: 10_000 })
      await putRaw(client, runtime, 10_000)
    }
    await sleep(500)
    const idle = residentBytes(runtime.pid)
    resetPeak(runtime.pid)
    const { samples } = await sampled(
      () => work(runtime),
      () => residentBytes(runtime.pid),
    )
    const first = highest(samples.filter(({ at }) => at <= 0.25))
    const last = highest(samples.filter(({ at }) => at >= 0.75))
    return { above: peakResidentBytes(runtime.pid) - idle, growth: last - first }
  } finally {
    await runtime.stop()
  }
}
