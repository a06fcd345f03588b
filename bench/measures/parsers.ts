import { expectSuccess } from '../client/expect-success.ts'
import { median } from '../report/ratio.ts'
import { comparison, seconds } from '../report/row.ts'
import { cpuSeconds } from '../runtime/process-usage.ts'
import { startRuntime } from '../runtime/runtime.ts'
import type { Measure } from './measure.ts'
import { parseRequest } from './parse.ts'
import { inRounds } from './rounds.ts'

const names = ['formData', 'busboy', 'fastifyBusboy', 'multipasta', 'remix'] as const
const labels = {
  formData: 'request.formData()',
  busboy: 'busboy',
  fastifyBusboy: '@fastify/busboy',
  multipasta: 'multipasta',
  remix: '@remix-run/multipart-parser',
}

/** The CPU to parse, against every other parser there is for Workers. What holds for the best of them holds for all. */
export const parsers: Measure = async ({ client, quick, say }) => {
  const bytes = quick ? 50_000_000 : 500_000_000
  const runtime = await startRuntime([{ name: 'parse', entry: 'bench/workers/parse.ts' }])
  try {
    const run = (reader: string) => async () => {
      const before = cpuSeconds(runtime.pid)
      expectSuccess(await client.stream([parseRequest(runtime.port('parse'), reader, bytes)]))
      return cpuSeconds(runtime.pid) - before
    }
    const contenders = Object.fromEntries(['stevedore' as const, ...names].map((name) => [name, run(name)]))
    await inRounds(1, contenders)
    const { stevedore = [], ...others } = await inRounds(quick ? 1 : 5, contenders)
    say(
      Object.entries({ stevedore, ...others })
        .map(([name, values]) => `${name} ${median(values).toFixed(2)}`)
        .join(', '),
    )
    const rows = names.map((name) =>
      comparison('parse 500 MB: CPU', {
        ours: stevedore,
        other: others[name] as number[],
        format: seconds,
        against: labels[name],
        target: { atMost: 0.4 },
      }),
    )
    return rows.sort((a, b) => (b.ratio?.median ?? 0) - (a.ratio?.median ?? 0))
  } finally {
    await runtime.stop()
  }
}
