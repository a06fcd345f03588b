import { expectSuccess } from '../client/expect-success.ts'
import { formBody, formType, type RequestPlan, rawBody } from '../client/http-request.ts'
import { comparison, seconds } from '../report/row.ts'
import { application, openDomain, upload } from '../runtime/application.ts'
import { cpuSeconds } from '../runtime/process-usage.ts'
import { startRuntime } from '../runtime/runtime.ts'
import type { Measure } from './measure.ts'
import { inRounds } from './rounds.ts'

/** A large file into R2, with its digest, against R2 taking the bytes as they come: the engine alone, and all of it. */
export const store: Measure = async ({ client, quick, say }) => {
  const bytes = quick ? 50_000_000 : 500_000_000
  const runtime = await startRuntime([{ name: 'store', entry: 'bench/workers/store.ts' }, application()])
  try {
    await openDomain(runtime)
    const run = async (worker: string, plan: RequestPlan) => {
      const before = cpuSeconds(runtime.pid)
      const { seconds: wall } = expectSuccess(await client.stream([plan]))
      const cpu = cpuSeconds(runtime.pid) - before
      await runtime.clear(worker)
      say(`${plan.path}: ${wall.toFixed(2)} s, CPU ${cpu.toFixed(2)} s`)
      return { wall, cpu }
    }
    const to = { port: runtime.port('store'), host: 'bench.test' }
    const form = { path: '/store', headers: { 'content-type': formType } }
    const contenders = (size: number) => ({
      engine: () => run('store', { ...to, ...form, method: 'POST', body: formBody(size) }),
      put: () => run('store', { ...to, method: 'PUT', path: '/put', body: rawBody(size) }),
      whole: () => run('app', upload(runtime, size)),
    })
    await inRounds(2, contenders(50_000_000))
    const { engine, put, whole } = await inRounds(quick ? 1 : 5, contenders(bytes))
    const rows = [
      ['engine', engine],
      ['whole request', whole],
    ] as const
    return rows.flatMap(([name, ours]) =>
      (['wall', 'cpu'] as const).map((what) => {
        say(
          `${name} ${what}: ${ours.map((run, i) => `${run[what].toFixed(2)}/${put[i]?.[what].toFixed(2)}`).join(' ')}`,
        )
        return comparison(`500 MB into R2 with SHA-256, ${name}: ${what === 'wall' ? 'wall time' : 'CPU'}`, {
          ours: ours.map((run) => run[what]),
          other: put.map((run) => run[what]),
          format: seconds,
          against: 'R2.put without it',
          target: { atMost: 1 },
        })
      }),
    )
  } finally {
    await runtime.stop()
  }
}
