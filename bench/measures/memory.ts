import { setTimeout as sleep } from 'node:timers/promises'
import { expectSuccess } from '../client/expect-success.ts'
import { type RequestPlan, rawBody } from '../client/http-request.ts'
import { median } from '../report/ratio.ts'
import { comparison, mebibytes, type Row } from '../report/row.ts'
import { application, openDomain, upload } from '../runtime/application.ts'
import { peakResidentBytes, resetPeak, residentBytes } from '../runtime/process-usage.ts'
import { type Runtime, startRuntime } from '../runtime/runtime.ts'
import { highest, sampled } from '../runtime/sampler.ts'
import type { Bench, Measure } from './measure.ts'
import { inRounds } from './rounds.ts'

const mostGrowthBytes = 16 * 1024 ** 2

/** The memory of the runtime above idle: one large upload, and many at once, against R2 taking the bytes as they come. */
export const memory: Measure = async (bench) => {
  const { quick, say } = bench
  const scale = quick ? 0.05 : 1
  const rounds = quick ? 1 : 5
  const one = await compare(bench, rounds, { uploads: 1, bytes: 2_000_000_000 * scale })
  const many = await compare(bench, rounds, { uploads: 16, bytes: 100_000_000 * scale })
  const growth = one.ours.map((run) => run.growth)
  say(
    `growth of ours: ${growth.map(mebibytes).join(' ')}; of R2.put: ${one.other.map((run) => mebibytes(run.growth)).join(' ')}`,
  )
  const rows = [
    ['memory above idle, one upload of 2 GB', one, 0.6],
    ['memory above idle, 16 uploads of 100 MB at once', many, 1],
  ] as const
  return [
    ...rows.map(([name, { ours, other }, atMost]): Row => {
      say(`${name}: ${ours.map((run, i) => `${mebibytes(run.above)}/${mebibytes(other[i]?.above ?? 0)}`).join(' ')}`)
      return comparison(name, {
        ours: ours.map((run) => run.above),
        other: other.map((run) => run.above),
        format: mebibytes,
        against: 'R2.put',
        target: { atMost },
      })
    }),
    {
      measure: 'growth from the first 500 MB to the last, of 2 GB',
      ours: `${mebibytes(median(growth))} (${mebibytes(Math.min(...growth))} to ${mebibytes(Math.max(...growth))})`,
      other: `${mebibytes(median(one.other.map((run) => run.growth)))} R2.put`,
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

async function compare(
  { client }: Bench,
  rounds: number,
  { uploads, bytes }: { uploads: number; bytes: number },
): Promise<{ ours: Run[]; other: Run[] }> {
  const run = async (planOf: (runtime: Runtime, bytes: number) => RequestPlan): Promise<Run> => {
    // A process of its own each: an allocator keeps what it once had, and the next run would find it.
    const runtime = await startRuntime([{ name: 'plain', entry: 'bench/workers/plain.ts' }, application()])
    try {
      await openDomain(runtime)
      for (let i = 0; i < 5; i++) expectSuccess(await client.stream([planOf(runtime, 10_000)]))
      await sleep(500)
      const idle = residentBytes(runtime.pid)
      resetPeak(runtime.pid)
      const plans = Array.from({ length: uploads }, () => planOf(runtime, bytes))
      const { samples } = await sampled(
        async () => expectSuccess(await client.stream(plans)),
        () => residentBytes(runtime.pid),
      )
      const first = highest(samples.filter(({ at }) => at <= 0.25))
      const last = highest(samples.filter(({ at }) => at >= 0.75))
      return { above: peakResidentBytes(runtime.pid) - idle, growth: last - first }
    } finally {
      await runtime.stop()
    }
  }
  const { ours, other } = await inRounds(rounds, { ours: () => run(upload), other: () => run(rawPut) })
  return { ours, other }
}

function rawPut(runtime: Runtime, bytes: number): RequestPlan {
  const path = `/put/${crypto.randomUUID()}`
  return { port: runtime.port('plain'), method: 'PUT', path, host: 'bench.test', body: rawBody(bytes) }
}
