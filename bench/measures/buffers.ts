import { setTimeout as sleep } from 'node:timers/promises'
import { expectSuccess } from '../client/expect-success.ts'
import { median } from '../report/ratio.ts'
import { mebibytes } from '../report/row.ts'
import { application, openDomain, upload } from '../runtime/application.ts'
import { HeapObserver } from '../runtime/heap.ts'
import { peakResidentBytes, resetPeak, residentBytes } from '../runtime/process-usage.ts'
import { startRuntime } from '../runtime/runtime.ts'
import { highest, sampled } from '../runtime/sampler.ts'
import type { Bench, Measure } from './measure.ts'

const most = 100 * 1024 ** 2

/**
 * 64 uploads at once, and the bytes behind all ArrayBuffers of the application's isolate meanwhile: loans, idle memory,
 * what the parser carries and what the garbage collector has not come to.
 */
export const buffers: Measure = async (bench) => {
  const runs: Run[] = []
  for (let round = 0; round < (bench.quick ? 1 : 5); round++) runs.push(await run(bench))
  const own = runs.map(({ own }) => own)
  const resident = runs.map(({ resident }) => resident)
  bench.say(
    runs
      .map((run) => `${run.served} served, own ${mebibytes(run.own)}, resident ${mebibytes(run.resident)}`)
      .join('; '),
  )
  return [
    {
      measure: '64 uploads of 20 MB at once: own buffers above idle',
      ours: `${mebibytes(median(own))} (${mebibytes(Math.min(...own))} to ${mebibytes(Math.max(...own))})`,
      other: `${median(runs.map(({ served }) => served))} of 64 served, the rest 503 busy`,
      ratio: null,
      target: `< ${mebibytes(most)}`,
      met: median(own) < most,
    },
    {
      measure: 'the same: runtime above idle, simulators and all',
      ours: `${mebibytes(median(resident))} (${mebibytes(Math.min(...resident))} to ${mebibytes(Math.max(...resident))})`,
      other: '',
      ratio: null,
      target: '',
      met: null,
    },
  ]
}

interface Run {
  served: number
  own: number
  resident: number
}

async function run({ client, quick }: Bench): Promise<Run> {
  const runtime = await startRuntime([application()], { inspect: true })
  try {
    await openDomain(runtime)
    for (let i = 0; i < 5; i++) expectSuccess(await client.stream([upload(runtime, 10_000)]))
    await sleep(500)
    const heap = await HeapObserver.connect(runtime.inspectorUrl as URL, 'app')
    const [idle, idleResident] = [await heap.bufferBytes(), residentBytes(runtime.pid)]
    resetPeak(runtime.pid)
    const plans = Array.from({ length: 64 }, () => upload(runtime, quick ? 6_000_000 : 20_000_000))
    const { result, samples } = await sampled(
      () => client.stream(plans),
      () => heap.bufferBytes(),
    )
    heap.close()
    // Where R2 is slow, as on a busy machine, some wait for memory longer than they may. That is the limit at work.
    const served = result.answers.filter(({ status }) => status < 300).length
    const others = result.answers.filter(({ status, body }) => status >= 300 && !body.includes('"code":"busy"'))
    if (served === 0 || others.length > 0) throw new Error(`Uploads failed, not for want of memory: ${others[0]?.body}`)
    return { served, own: highest(samples) - idle, resident: peakResidentBytes(runtime.pid) - idleResident }
  } finally {
    await runtime.stop()
  }
}
