import { setTimeout as sleep } from 'node:timers/promises'
import { median } from '../../report/ratio.ts'
import { comparison, mebibytes, type Row, type Target } from '../../report/row.ts'
import { openDomain } from '../../runtime/application.ts'
import { peakResidentBytes, resetPeak, residentBytes } from '../../runtime/process-usage.ts'
import { type Runtime, startRuntime } from '../../runtime/runtime.ts'
import { highest, sampled } from '../../runtime/sampler.ts'
import type { Bench } from '../measure.ts'
import { inRounds } from '../rounds.ts'
import { type Amount, bringToUs, putParts, putRaw, workers } from './contenders.ts'

const mebibyte = 1024 ** 2
const mostGrowthBytes = 48 * mebibyte
const smallBytes = 10_000

/**
 * One append of 500 MB, against R2 taking the bytes as they come: how much the memory of the runtime grows by it, where
 * others have gone before, and where it is the first large one. R2's simulator is in the same process: what it takes for
 * the same parts, from a Worker that does nothing else, is the least that there can be.
 */
export async function memoryOfAppend(bench: Bench): Promise<Row[]> {
  const bytes = bench.quick ? 20_000_000 : 500_000_000
  const amount = { uploads: 1, bytes, appendBytes: bytes }
  const warm = await compare(bench, amount, bench.quick ? 10_000 : 20_000_000)
  const first = await compare(bench, amount, smallBytes)
  const parts = await inRounds(bench.quick ? 1 : 5, {
    alone: () => inFreshRuntime((runtime, size) => putParts(bench.client, runtime, size), bytes, smallBytes),
  })
  const row = (name: string, { ours, other }: Record<'ours' | 'other', Run[]>, target: Target) =>
    comparison(`500 MB by tus, one append: ${name}`, {
      ours: ours.map(({ above }) => above),
      other: other.map(({ above }) => above),
      format: mebibytes,
      against: 'R2.put',
      target,
    })
  return [
    row('memory growth, after five of 20 MB', warm, { atMost: 0.5 }),
    row('memory growth, as the first large one', first, null),
    comparison('500 MB in parts of 5 MiB, one buffer over and over: memory growth', {
      ours: parts.alone.map(({ above }) => above),
      other: first.other.map(({ above }) => above),
      format: mebibytes,
      against: 'R2.put',
      target: null,
    }),
  ]
}

/** 3 GB in appends of 64 MiB: how much more memory the last quarter of it takes than the first. */
export async function flatMemory(bench: Bench): Promise<Row[]> {
  const amount = bench.quick
    ? { uploads: 1, bytes: 64_000_000, appendBytes: 8 * mebibyte }
    : { uploads: 1, bytes: 3_000_000_000, appendBytes: 64 * mebibyte }
  const { ours, other } = await compare(bench, amount, smallBytes)
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

/** Brings so many bytes to the runtime. */
type Bring = (runtime: Runtime, bytes: number) => Promise<void>

/** Each after five uploads of its own kind, of `warmUpBytes`. */
async function compare(
  { client, quick }: Bench,
  { uploads, bytes, appendBytes }: Amount,
  warmUpBytes: number,
): Promise<Record<'ours' | 'other', Run[]>> {
  const ours: Bring = (runtime, size) =>
    bringToUs(client, runtime, { uploads, bytes: size, appendBytes: Math.min(size, appendBytes) })
  const other: Bring = (runtime, size) => putRaw(client, runtime, size)
  return inRounds(quick ? 1 : 5, {
    ours: () => inFreshRuntime(ours, bytes, warmUpBytes),
    other: () => inFreshRuntime(other, bytes, warmUpBytes),
  })
}

/** A process of its own each: an allocator keeps what it once had, and the next run would find it. */
async function inFreshRuntime(bring: Bring, bytes: number, warmUpBytes: number): Promise<Run> {
  const runtime = await startRuntime(workers)
  try {
    await openDomain(runtime)
    for (let i = 0; i < 5; i++) await bring(runtime, warmUpBytes)
    await sleep(500)
    const idle = residentBytes(runtime.pid)
    resetPeak(runtime.pid)
    const { samples } = await sampled(
      () => bring(runtime, bytes),
      () => residentBytes(runtime.pid),
    )
    const first = highest(samples.filter(({ at }) => at <= 0.25))
    const last = highest(samples.filter(({ at }) => at >= 0.75))
    return { above: peakResidentBytes(runtime.pid) - idle, growth: last - first }
  } finally {
    await runtime.stop()
  }
}
