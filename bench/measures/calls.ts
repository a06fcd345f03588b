import { setTimeout as sleep } from 'node:timers/promises'
import { expectSuccess } from '../client/expect-success.ts'
import { rawBody } from '../client/http-request.ts'
import { application, openDomain, upload } from '../runtime/application.ts'
import { startRuntime } from '../runtime/runtime.ts'
import type { Measure } from './measure.ts'

/** How often one small upload leaves the Worker, when the isolate knows the domain. A count, so once is enough. */
export const calls: Measure = async ({ client, say }) => {
  const runtime = await startRuntime([application('counted', 'bench/workers/counted.ts')])
  try {
    await openDomain(runtime, 'counted')
    const send = async () => expectSuccess(await client.stream([upload(runtime, 1_000, 'counted')]))
    const ask = { port: runtime.port('counted'), method: 'POST', path: '/counts', host: 'bench.test' } as const
    const count = async (): Promise<Record<'r2' | 'd1' | 'publishes', string[]>> => {
      // The publish may go on behind the answer.
      await sleep(300)
      const { answers } = expectSuccess(await client.stream([{ ...ask, body: rawBody(0) }]))
      return JSON.parse(answers[0]?.body ?? '')
    }
    await send()
    await count()
    await send()
    const { r2, d1, publishes } = await count()
    say(JSON.stringify({ r2, d1, publishes }))
    const numbers = [r2, d1, publishes].map((names) => names.length).join(', ')
    return [
      {
        measure: 'R2 calls, D1 round trips, publishes for one small upload',
        ours: `${numbers} (${[...r2, ...d1, ...publishes].join(', ')})`,
        other: '',
        ratio: null,
        target: '1, 1, 1',
        met: numbers === '1, 1, 1',
      },
    ]
  } finally {
    await runtime.stop()
  }
}
