import { expectSuccess } from '../client/expect-success.ts'
import { rawBody } from '../client/http-request.ts'
import { comparison, seconds } from '../report/row.ts'
import { startRuntime } from '../runtime/runtime.ts'
import type { Measure } from './measure.ts'
import { inRounds } from './rounds.ts'

/** What it is worth to read the next part while the last is written, when R2 and the client both take their time. */
export const overlap: Measure = async ({ client, quick, say }) => {
  const bytes = quick ? 100_000_000 : 500_000_000
  const runtime = await startRuntime([{ name: 'overlap', entry: 'bench/workers/overlap.ts' }])
  try {
    const run = (path: string) => async () => {
      const to = { port: runtime.port('overlap'), host: 'bench.test', method: 'POST' } as const
      const result = expectSuccess(await client.stream([{ ...to, path: `${path}?bytes=${bytes}`, body: rawBody(0) }]))
      await runtime.clear('overlap')
      return result.seconds
    }
    const contenders = { overlapped: run('/overlapped'), inTurns: run('/in-turns') }
    await inRounds(1, contenders)
    const { overlapped, inTurns } = await inRounds(quick ? 1 : 5, contenders)
    say(
      `overlapped ${overlapped.map((s) => s.toFixed(2)).join(' ')} / in turns ${inTurns.map((s) => s.toFixed(2)).join(' ')}`,
    )
    const row = { ours: overlapped, other: inTurns, format: seconds, against: 'in turns', target: { atMost: 0.65 } }
    return [comparison('500 MB, 50 ms a part and 50 ms a call to R2: wall time', row)]
  } finally {
    await runtime.stop()
  }
}
