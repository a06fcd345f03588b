import { comparison, type Row, seconds, type Target } from '../../report/row.ts'
import { openDomain } from '../../runtime/application.ts'
import { cpuSeconds } from '../../runtime/process-usage.ts'
import { startRuntime } from '../../runtime/runtime.ts'
import { startTusServer } from '../../runtime/tus-server.ts'
import type { Bench } from '../measure.ts'
import { inRounds } from '../rounds.ts'
import { type Amount, bringToNode, bringToUs, putRaw, workers } from './contenders.ts'

const mebibyte = 1024 ** 2

interface Run {
  wall: number
  cpu: number
}

/** A large file by tus, in one append, in many, and in pieces, against R2 and against @tus/server on Node. */
export async function largeFile({ client, quick, say }: Bench): Promise<Row[]> {
  const bytes = quick ? 20_000_000 : 500_000_000
  const runtime = await startRuntime(workers)
  const node = await startTusServer()
  try {
    await openDomain(runtime)
    const run = async (name: string, pid: number, work: () => Promise<void>): Promise<Run> => {
      const [start, before] = [performance.now(), cpuSeconds(pid)]
      await work()
      const [wall, cpu] = [(performance.now() - start) / 1000, cpuSeconds(pid) - before]
      for (const worker of ['app', 'plain']) await runtime.clear(worker)
      await node.clear()
      say(`${name}: ${wall.toFixed(2)} s, CPU ${cpu.toFixed(2)} s`)
      return { wall, cpu }
    }
    const contenders = (size: number) => {
      const inOne: Amount = { uploads: 1, bytes: size, appendBytes: size }
      const inMany: Amount = { uploads: 1, bytes: size, appendBytes: 8 * mebibyte }
      const inPieces: Amount = { uploads: 4, bytes: size / 4, appendBytes: size / 4, areJoined: true }
      const ours = (name: string, amount: Amount) => () =>
        run(name, runtime.pid, () => bringToUs(client, runtime, amount))
      const theirs = (name: string, amount: Amount) => () =>
        run(`${name}, @tus/server`, node.pid, () => bringToNode(client, node, amount))
      return {
        one: ours('one append', inOne),
        put: () => run('R2.put', runtime.pid, () => putRaw(client, runtime, size)),
        nodeOne: theirs('one append', inOne),
        many: ours('8 MiB appends', inMany),
        nodeMany: theirs('8 MiB appends', inMany),
        pieces: ours('4 pieces', inPieces),
        nodePieces: theirs('4 uploads', inPieces),
      }
    }
    await inRounds(2, contenders(quick ? bytes : 50_000_000))
    const runs = await inRounds(quick ? 1 : 5, contenders(bytes))
    return [
      ...rows('one append', runs.one, runs.put, 'R2.put', { atMost: 1.15 }),
      ...rows('one append', runs.one, runs.nodeOne, '@tus/server on Node', null),
      ...rows('8 MiB appends', runs.many, runs.put, 'R2.put', null),
      ...rows('8 MiB appends', runs.many, runs.nodeMany, '@tus/server on Node', null),
      ...rows('4 pieces at once, joined', runs.pieces, runs.put, 'R2.put', null),
      ...rows('4 pieces at once, joined', runs.pieces, runs.nodePieces, '@tus/server, not joined', null),
    ]
  } finally {
    await node.stop()
    await runtime.stop()
  }
}

function rows(name: string, ours: Run[], other: Run[], against: string, target: Target): Row[] {
  return (['wall', 'cpu'] as const).map((what) =>
    comparison(`500 MB by tus, ${name}: ${what === 'wall' ? 'wall time' : 'CPU'}`, {
      ours: ours.map((run) => run[what]),
      other: other.map((run) => run[what]),
      format: seconds,
      against,
      target,
    }),
  )
}
