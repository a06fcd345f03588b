import { expectSuccess } from '../client/expect-success.ts'
import { formBody, formType, type RequestPlan } from '../client/http-request.ts'
import { comparison, seconds } from '../report/row.ts'
import { startDevServer } from '../runtime/dev-server.ts'
import { cpuSeconds } from '../runtime/process-usage.ts'
import { startRuntime } from '../runtime/runtime.ts'
import type { Bench, Measure } from './measure.ts'
import { inRounds } from './rounds.ts'

const entry = 'bench/workers/parse.ts'

/** The CPU that the parser adds to reading a body at all: on a socket of workerd's own, and under `wrangler dev`. */
export const parse: Measure = async (bench) => {
  const runtime = await startRuntime([{ name: 'parse', entry }])
  // A drain takes a few dozen of the kernel's ticks: many short rounds tell more than few.
  const bare = await compare(bench, { port: runtime.port('parse'), pids: [runtime.pid], rounds: 25 }).finally(
    runtime.stop,
  )
  const server = await startDevServer(entry)
  const proxied = await compare(bench, { ...server, rounds: 5 }).finally(server.stop)
  const target = { atMost: 1.1 }
  return [
    comparison('parse 500 MB: CPU, workerd alone', { ...bare, format: seconds, against: 'BYOB drain', target }),
    comparison('parse 500 MB: CPU, wrangler dev', { ...proxied, format: seconds, against: 'BYOB drain', target }),
  ]
}

async function compare(
  { client, quick, say }: Bench,
  { port, pids, rounds }: { port: number; pids: readonly number[]; rounds: number },
): Promise<{ ours: number[]; other: number[] }> {
  const bytes = quick ? 50_000_000 : 500_000_000
  const used = () => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0)
  const run = async (reader: string) => {
    const before = used()
    expectSuccess(await client.stream([parseRequest(port, reader, bytes)]))
    return used() - before
  }
  const contenders = { stevedore: () => run('stevedore'), drain: () => run('drain') }
  await inRounds(2, contenders)
  const { stevedore, drain } = await inRounds(quick ? 1 : rounds, contenders)
  say(`parse ${stevedore.map((s) => s.toFixed(2)).join(' ')} / drain ${drain.map((s) => s.toFixed(2)).join(' ')}`)
  return { ours: stevedore, other: drain }
}

/** A form with one file for one of the readers of the parsing Worker. */
export function parseRequest(port: number, reader: string, fileBytes: number): RequestPlan {
  const headers = { 'content-type': formType }
  return { port, method: 'POST', path: `/${reader}`, host: 'bench.test', headers, body: formBody(fileBytes) }
}
