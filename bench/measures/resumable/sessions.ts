import { comparison, perSecond, type Row } from '../../report/row.ts'
import { openDomain } from '../../runtime/application.ts'
import { startRuntime } from '../../runtime/runtime.ts'
import { startTusServer } from '../../runtime/tus-server.ts'
import type { Bench } from '../measure.ts'
import { inRounds } from '../rounds.ts'
import { bringToNode, bringToUs, workers } from './contenders.ts'

const mebibyte = 1024 ** 2

/** 200 uploads at once, each in appends of its own. One that is refused, or not whole in the end, ends the run. */
export async function manySessions({ client, quick, say }: Bench): Promise<Row[]> {
  const uploads = quick ? 20 : 200
  const amount = { uploads, bytes: mebibyte, appendBytes: mebibyte / 4 }
  const runtime = await startRuntime(workers)
  const node = await startTusServer()
  try {
    await openDomain(runtime)
    const rate = async (work: () => Promise<void>): Promise<number> => {
      const start = performance.now()
      await work()
      const took = (performance.now() - start) / 1000
      await runtime.clear('app')
      await node.clear()
      say(`${uploads} uploads in ${took.toFixed(2)} s`)
      return uploads / took
    }
    const contenders = {
      ours: () => rate(() => bringToUs(client, runtime, amount)),
      other: () => rate(() => bringToNode(client, node, amount)),
    }
    await inRounds(1, contenders)
    const { ours, other } = await inRounds(quick ? 1 : 5, contenders)
    return [
      comparison('200 uploads by tus at once, 1 MiB in 4 appends: done', {
        ours,
        other,
        format: perSecond,
        against: '@tus/server on Node',
        target: null,
      }),
    ]
  } finally {
    await node.stop()
    await runtime.stop()
  }
}
