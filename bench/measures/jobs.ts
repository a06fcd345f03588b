import { setTimeout as sleep } from 'node:timers/promises'
import { median } from '../report/ratio.ts'
import { comparison, milliseconds, perSecond } from '../report/row.ts'
import { administer, application, hostOf, openDomain, upload } from '../runtime/application.ts'
import { type Runtime, startRuntime } from '../runtime/runtime.ts'
import type { Measure } from './measure.ts'
import { inRounds } from './rounds.ts'

const fileBytes = 1_000

/** Files from the request to `complete`, through the step `inspect`: how many in a second, and how long one takes. */
export const jobs: Measure = async ({ client, quick, say }) => {
  const runtime = await startRuntime([{ ...application('app'), isConsumer: true }, application('accepting')])
  try {
    for (const worker of ['app', 'accepting']) await openDomain(runtime, worker)
    const seconds = quick ? 0.2 : 1
    const rate = (worker: string, isThrough: (count: number) => Promise<void>) => async () => {
      const before = await countFiles(runtime, worker)
      const startedAt = performance.now()
      const { requests } = await client.load(upload(runtime, fileBytes, worker), { connections: 16, seconds })
      await isThrough(before + requests)
      return (requests / (performance.now() - startedAt)) * 1000
    }
    const contenders = {
      app: rate('app', (count) => untilComplete(runtime, count)),
      accepting: rate('accepting', async () => {}),
    }
    await inRounds(1, contenders)
    const rates = await inRounds(quick ? 1 : 7, contenders)
    say(
      `${rates.app.map(Math.round).join(' ')} files a second, accepted alone ${rates.accepting.map(Math.round).join(' ')}`,
    )

    const alone = quick ? 3 : 30
    const before = await countFiles(runtime, 'app')
    for (let sent = 1; sent <= alone; sent++) {
      await administer(runtime, 'app', { method: 'PUT', host: hostOf('demo'), path: '/v1/uploads/one', body: 'abc' })
      await untilComplete(runtime, before + sent)
    }
    const times = await timesToComplete(runtime, alone)
    return [
      comparison('files of 1 KB through inspect to complete', {
        ours: rates.app,
        other: rates.accepting,
        format: perSecond,
        against: 'accepted alone',
        target: null,
      }),
      {
        measure: 'one file: from accepted to complete',
        ours: milliseconds(median(times)),
        other: '',
        ratio: null,
        target: '',
        met: null,
      },
    ]
  } finally {
    await runtime.stop()
  }
}

async function countFiles(runtime: Runtime, worker: string): Promise<number> {
  return (await (await runtime.database(worker)).prepare('SELECT count(*) FROM uploaded_files').first('count(*)')) ?? 0
}

async function untilComplete(runtime: Runtime, count: number): Promise<void> {
  const database = await runtime.database('app')
  const waiting = database.prepare("SELECT count(*) AS n FROM uploaded_files WHERE status = 'complete'")
  while (((await waiting.first<number>('n')) ?? 0) < count) await sleep(5)
}

/** Milliseconds between the first event and the last of the newest files. */
async function timesToComplete(runtime: Runtime, files: number): Promise<number[]> {
  const { results } = await (await runtime.database('app'))
    .prepare(
      `SELECT max(created_at) - min(created_at) AS ms FROM file_events
        GROUP BY file_id ORDER BY min(seq) DESC LIMIT ?`,
    )
    .bind(files)
    .all<{ ms: number }>()
  return results.map(({ ms }) => ms)
}
