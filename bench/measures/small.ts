import { formBody, formType } from '../client/http-request.ts'
import { comparison, milliseconds, perSecond } from '../report/row.ts'
import { application, openDomain, upload } from '../runtime/application.ts'
import { cpuSeconds } from '../runtime/process-usage.ts'
import { startRuntime } from '../runtime/runtime.ts'
import type { Bench, Measure } from './measure.ts'
import { inRounds } from './rounds.ts'

const table =
  'CREATE TABLE files (id TEXT PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL, size INTEGER NOT NULL, created_at INTEGER NOT NULL)'

/** Small files, the whole request, against the plainest handler that does the same calls. */
export const small: Measure = async (bench) => {
  const kilobyte = await compare(bench, 1_000)
  const hundred = await compare(bench, 100_000)
  const against = 'plainest handler'
  const rate = { format: perSecond, against, target: { atLeast: 0.9 } }
  const cpu = { format: milliseconds, against }
  return [
    comparison('small files, 1 KB: requests', { ...rate, ...kilobyte.rate }),
    comparison('small files, 100 KB: requests', { ...rate, ...hundred.rate }),
    comparison('small files, 1 KB: CPU a request', { ...cpu, ...kilobyte.cpu, target: null }),
    comparison('small files, 100 KB: CPU a request', { ...cpu, ...hundred.cpu, target: { atMost: 1.1 } }),
  ]
}

interface Pairs {
  ours: number[]
  other: number[]
}

async function compare({ client, quick, say }: Bench, bytes: number): Promise<{ rate: Pairs; cpu: Pairs }> {
  const runtime = await startRuntime([{ name: 'plain', entry: 'bench/workers/plain.ts' }, application()])
  try {
    await (await runtime.database('plain')).prepare(table).run()
    await openDomain(runtime)
    const headers = { 'content-type': formType }
    const to = { port: runtime.port('plain'), host: 'bench.test' }
    const plain = { ...to, method: 'POST', path: '/upload', headers, body: formBody(bytes) } as const
    const run = (request: typeof plain | ReturnType<typeof upload>, seconds: number) => async () => {
      const before = cpuSeconds(runtime.pid)
      const load = await client.load(request, { connections: 16, seconds })
      return { rate: load.requests / load.seconds, cpu: ((cpuSeconds(runtime.pid) - before) / load.requests) * 1000 }
    }
    const whole = upload(runtime, bytes)
    const contenders = (seconds: number) => ({ app: run(whole, seconds), plain: run(plain, seconds) })
    await inRounds(2, contenders(quick ? 0.3 : 1.5))
    const values = await inRounds(quick ? 1 : 7, contenders(quick ? 0.5 : 2))
    const pairs = (what: 'rate' | 'cpu') => ({
      ours: values.app.map((run) => run[what]),
      other: values.plain.map((run) => run[what]),
    })
    const { ours, other } = pairs('rate')
    say(
      `${bytes} bytes: ${ours.map((rate, i) => `${rate.toFixed(0)}/${other[i]?.toFixed(0)}`).join(' ')} requests a second`,
    )
    return { rate: pairs('rate'), cpu: pairs('cpu') }
  } finally {
    await runtime.stop()
  }
}
